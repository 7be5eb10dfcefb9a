"""The shapes in which jobs and models are shown to clients."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.links import BASE, Links
from app.trace_responses import TraceShown
from contract.artifact import Artifact
from contract.branches import Branch
from contract.costs import amount, pixel_steps
from contract.guidance import Several
from contract.job import Job, JobStatus, Priority
from contract.receipts import SHA256, Difference
from contract.request import CompleteRequest, Scheduler
from contract.safety import Finding

JOB_ID = "job_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"
IMAGE_ID = "art_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6_0"
TIME = "2026-11-24T09:30:00.250000Z"
COMPLETE = {
    "prompt": "a red apple",
    "model": "safelight-emoji",
    "height": 128,
    "width": 128,
    "num_inference_steps": 20,
    "guidance_scale": 2.5,
    "guidance": [{"kind": "classifier_free", "scale": 2.5, "rescale": 0.0, "interval": [0.0, 1.0]}],
    "scheduler": "ddim",
    "seed": 7,
}


class RequestShown(CompleteRequest):
    """The complete request: posted again, it makes the same pictures."""

    model: str = Field(description="An id from `GET /v1/models`.", examples=["safelight-emoji"])
    height: int = Field(description="Pixels.", examples=[128])
    width: int = Field(description="Pixels.", examples=[128])
    num_inference_steps: int = Field(description="Denoising steps.", examples=[20])
    guidance_scale: float | None = Field(
        description="Weight of classifier-free guidance, 1 = off; null where `guidance` says more than that.",
        examples=[4.0],
    )
    guidance: Several = Field(
        strict=False,
        description="All ways of guiding, whose corrections add up.",
        examples=[[{"kind": "classifier_free", "scale": 4.0, "rescale": 0.0, "interval": [0.0, 1.0]}]],
    )
    scheduler: Scheduler = Field(description="Sampler and noise spacing.", examples=["ddim"])
    seed: int = Field(description="Where the noise of the first image comes from.", examples=[7])


class ProgressShown(BaseModel):
    """How far a job is, in denoising steps over all of its images."""

    step: int = Field(description="Steps done.", examples=[5])
    total_steps: int = Field(description="Steps to do.", examples=[20])
    fraction: float = Field(description="Steps done over steps to do, 0 to 1.", examples=[0.25])
    eta_seconds: float | None = Field(
        description="Seconds to the end, waiting included, from what is in front of it and how fast the workers have "
        "been; null while no worker is alive, or none has run such a model yet.",
        examples=[1.5],
    )


class CostShown(BaseModel):
    """What a job asks of a device at most; guidance that acts in an interval only asks for less."""

    pixel_steps: int = Field(
        description="Denoising steps of pixels, of all pictures; quotas are in these.", examples=[327680]
    )
    network_rows: int = Field(description="Rows that pass through the network, of all pictures.", examples=[40])
    gradients: int = Field(
        description="Ways back through the network and the autoencoder; each takes as long as some rows.", examples=[0]
    )
    classifier_gradients: int = Field(
        description="Ways back through a classifier of latents alone, each a small part of a row.", examples=[0]
    )

    @classmethod
    def of(cls, request: CompleteRequest) -> "CostShown":
        """What a request will take."""
        work = amount(request)
        return cls(
            pixel_steps=pixel_steps(request),
            network_rows=work.num_rows,
            gradients=work.num_gradients,
            classifier_gradients=work.num_classifier_gradients,
        )


class ImageShown(BaseModel):
    """One finished picture."""

    id: str = Field(description="The id under which the bytes are served.", examples=[IMAGE_ID])
    index: int = Field(description="Which of the request's pictures this is, from 0.", examples=[0])
    seed: int = Field(description="With this seed and `num_images` 1, the request makes this picture.", examples=[7])
    url: str = Field(
        description="Where the bytes are. Where there are API keys it is signed, and opens the picture without one for "
        "some minutes; asked again, the job has a fresh one.",
        examples=[f"{BASE}/v1/artifacts/{IMAGE_ID}"],
    )
    width: int = Field(description="Pixels.", examples=[128])
    height: int = Field(description="Pixels.", examples=[128])
    media_type: str = Field(description="How the picture is encoded.", examples=["image/png"])
    size_bytes: int = Field(description="How many bytes it has.", examples=[18423])
    sha256: str = Field(
        description="Hex digest of the bytes.",
        examples=[SHA256],
    )
    safety: Finding | None = Field(
        default=None,
        description="What the model's checker has found in it; null where none has looked.",
        examples=[None],
    )

    @classmethod
    def of(cls, artifact: Artifact, links: Links) -> "ImageShown":
        """A published artifact, without what is the house's own."""
        return cls(**artifact.model_dump(exclude={"storage_key", "replayed"}), url=links.artifact(artifact.id))


class FailureShown(BaseModel):
    """Why a job failed."""

    code: str = Field(description="What went wrong, in a word that does not change.", examples=["generation_failed"])
    message: str = Field(description="What went wrong, for people.", examples=["The engine stopped."])
    retryable: bool = Field(description="Whether the same request may succeed later.", examples=[False])
    field: str | None = Field(
        default=None, description="The part of the request that is to blame, where one is.", examples=[None]
    )


class ReplayShown(BaseModel):
    """How a picture that is made again compares with the file that was sent."""

    of: str = Field(description="Hex digest of the file that was sent.", examples=[SHA256])
    agrees: bool | None = Field(
        description="Whether the file that was made now has the same bytes, up to its receipt and with it; null until "
        "it is made.",
        examples=[True],
    )
    pixels_agree: bool | None = Field(
        description="Whether it has the pixels that the receipt was signed for; null until it is made.", examples=[True]
    )
    differences: list[Difference] = Field(
        description="What was another way when the picture was made first: what is known before the job runs, and "
        "then all of it.",
        examples=[[{"what": "versions.torch", "then": "2.12.0", "now": "2.13.0"}]],
    )

    @classmethod
    def of_job(cls, job: Job) -> "ReplayShown | None":
        """What is known of it now; None of a job that is no replay."""
        if job.replay is None:
            return None
        done = job.images[0].replayed if job.images else None
        return cls(
            of=job.replay.of,
            agrees=None if done is None else done.bytes_agree,
            pixels_agree=None if done is None else done.pixels_agree,
            differences=list(job.replay.foreseen if done is None else done.differences),
        )


class JobUrls(BaseModel):
    """What can be done with a job, and where."""

    self: str = Field(description="GET reads it, DELETE removes it.", examples=[f"{BASE}/v1/jobs/{JOB_ID}"])
    events: str = Field(description="GET follows it.", examples=[f"{BASE}/v1/jobs/{JOB_ID}/events"])
    cancel: str = Field(description="POST ends it.", examples=[f"{BASE}/v1/jobs/{JOB_ID}/cancel"])


class JobShown(BaseModel):
    """One accepted request and what became of it."""

    id: str = Field(description="The job's id.", examples=[JOB_ID])
    kind: Literal["generation"] = Field(description="What kind of work it is.", examples=["generation"])
    status: JobStatus = Field(
        description="`queued` and `running` may change; the others are final.", examples=["running"]
    )
    request: RequestShown = Field(
        description="The complete request.",
        examples=[COMPLETE],
    )
    progress: ProgressShown = Field(
        description="How far it is.",
        examples=[{"step": 5, "total_steps": 20, "fraction": 0.25, "eta_seconds": 1.5}],
    )
    cost: CostShown = Field(
        description="What it asks of a device at most.",
        examples=[{"pixel_steps": 327680, "network_rows": 40, "gradients": 0, "classifier_gradients": 0}],
    )
    priority: Priority = Field(description="Which of its tenant's jobs are served first.", examples=["normal"])
    queue_position: int | None = Field(description="Its place while it waits, 1 = next; else null.", examples=[None])
    images: list[ImageShown] = Field(description="The pictures that are finished, in order.", examples=[[]])
    warnings: list[str] = Field(description="What you should know about the result.", examples=[[]])
    error: FailureShown | None = Field(description="Why it failed; null unless it did.", examples=[None])
    replay: ReplayShown | None = Field(
        description="How its picture compares with the one that it makes again; null unless it came by `POST "
        "/v1/replay`.",
        examples=[None],
    )
    branch_from: Branch | None = Field(
        description="The job that it continues, and from which step; null unless it is a branch. `request` says all "
        "of it again, so that it needs that job no more.",
        examples=[None],
    )
    trace: TraceShown | None = Field(
        description="What its run has recorded of itself; null until its picture is there, and unless that was asked "
        "for.",
        examples=[None],
    )
    attempt: int = Field(description="Which execution this is, from 1; 0 before the first.", examples=[1])
    created_at: datetime = Field(description="When it was accepted.", examples=[TIME])
    started_at: datetime | None = Field(description="When its present execution started.", examples=[TIME])
    finished_at: datetime | None = Field(description="When it ended.", examples=[None])
    expires_at: datetime | None = Field(
        description="When it and its pictures are removed: known when it has ended, or when it was asked for.",
        examples=[None],
    )
    urls: JobUrls = Field(
        description="What can be done with it, and where.",
        examples=[
            {
                "self": f"{BASE}/v1/jobs/{JOB_ID}",
                "events": f"{BASE}/v1/jobs/{JOB_ID}/events",
                "cancel": f"{BASE}/v1/jobs/{JOB_ID}/cancel",
            }
        ],
    )

    @classmethod
    def of(cls, job: Job, queue_position: int | None, eta_seconds: float | None, links: Links) -> "JobShown":
        """The job as it was read, with its place in the queue and the time to its end."""
        url = links.job(job.id)
        return cls(
            **job.model_dump(include=_COPIED),
            expires_at=job.expires_at or job.expire_by,
            request=RequestShown.model_validate(job.request.model_dump()),
            progress=ProgressShown(
                step=job.progress.step,
                total_steps=job.progress.total_steps,
                fraction=round(job.progress.fraction, 4),
                eta_seconds=eta_seconds,
            ),
            cost=CostShown.of(job.request),
            replay=ReplayShown.of_job(job),
            branch_from=job.branch,
            trace=None if job.trace is None else TraceShown.of(job.trace, links),
            queue_position=queue_position,
            images=[ImageShown.of(artifact, links) for artifact in job.images],
            urls=JobUrls(self=url, events=f"{url}/events", cancel=f"{url}/cancel"),
        )


_COPIED = {
    "id", "kind", "status", "priority", "warnings", "error", "attempt", "created_at", "started_at", "finished_at"
}  # fmt: skip


class JobPage(BaseModel):
    """Jobs, newest first."""

    data: list[JobShown] = Field(description="The jobs of this page.", examples=[[]])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one.", examples=["41"]
    )
