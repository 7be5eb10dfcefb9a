"""The shapes in which fine-tunes are shown to clients."""

import json
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.links import BASE, Links
from app.responses import TIME, FailureShown, JobUrls, ProgressShown
from contract.fine_tunes import FineTune, FineTuneFile, FineTuneResult, FineTuneSample, pixel_steps
from contract.fine_tuning import Card, FineTuneRequest, Layout
from contract.job import JobStatus, Priority
from contract.receipts import SHA256

FINE_TUNE_ID = "ft_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"
FILE_NAME = "pytorch_lora_weights.safetensors"
URL = f"{BASE}/v1/fine-tunes/{FINE_TUNE_ID}"
COMPLETE = {
    "model": "safelight-emoji",
    "dataset": "ds_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6",
    "method": "lora",
    "trigger": "zorbling",
    "steps": 400,
    "learning_rate": 0.001,
    "resolution": 128,
    "seed": 7,
}


class FineTuneRequestShown(FineTuneRequest):
    """The complete request: posted again, it teaches the same, while the data set is what it was."""

    model: str = Field(description="An id from `GET /v1/models`.", examples=["safelight-emoji"])
    steps: int = Field(description="Steps of the optimiser.", examples=[400])
    learning_rate: float = Field(description="Of the optimiser.", examples=[0.001])
    resolution: int = Field(description="Pixels along each side.", examples=[128])
    seed: int = Field(description="Where everything random comes from.", examples=[7])
    sample_every: int = Field(description="Steps from one sample grid to the next.", examples=[50])
    checkpoint_every: int = Field(description="Steps from one checkpoint to the next.", examples=[50])


class SampleShown(BaseModel):
    """One grid of samples: a row for each validation prompt, with the same seeds in every grid."""

    step: int = Field(description="After how many steps.", examples=[50])
    url: str = Field(description="Where the PNG is read.", examples=[f"{URL}/samples/50"])
    prompts: list[str] = Field(description="What the rows show.", examples=[["zorbling on a beach"]])

    @classmethod
    def of(cls, sample: FineTuneSample, url: str) -> "SampleShown":
        """A published grid; `url` is the fine-tune's."""
        return cls(step=sample.step, url=f"{url}/samples/{sample.step}", prompts=list(sample.prompts))

    @classmethod
    def told(cls, data: str, url: str) -> "SampleShown":
        """The grid in a `sample` event."""
        said = json.loads(data)
        return cls(step=said["step"], url=f"{url}/samples/{said['step']}", prompts=said["prompts"])


class CheckpointShown(BaseModel):
    """From where an interrupted run goes on."""

    step: int = Field(description="How many steps are in it.", examples=[50])


class ResultFileShown(BaseModel):
    """One file of a result."""

    name: str = Field(description="What it is called.", examples=[FILE_NAME])
    url: str = Field(description="Where it is read.", examples=[f"{URL}/files/{FILE_NAME}"])
    size_bytes: int = Field(description="How many bytes it has.", examples=[581344])
    sha256: str = Field(description="Hex digest of the bytes.", examples=[SHA256])
    layout: Layout = Field(
        description="Whose names its tensors have: `diffusers`, `kohya` (for other programs), an `embedding`, or a "
        "part of a `model`.",
        examples=["diffusers"],
    )

    @classmethod
    def of(cls, file: FineTuneFile, url: str) -> "ResultFileShown":
        """A file of a result; `url` is the fine-tune's."""
        return cls(**file.model_dump(exclude={"storage_key"}), url=f"{url}/files/{file.name}")


class ResultShown(BaseModel):
    """What was learnt."""

    adapter_id: str | None = Field(
        description="What `adapters` takes as an `id`; null where the result is a model.", examples=[FINE_TUNE_ID]
    )
    model_id: str | None = Field(
        description="What `model` takes; null where the result is an adapter.", examples=[None]
    )
    file_id: str | None = Field(
        description="The adapter as a file of yours, which may be named as well.",
        examples=["file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    files: list[ResultFileShown] = Field(description="What can be downloaded.", examples=[[]])
    card: Card | None = Field(
        description="What is to be known of it; null of a run that was ended before its time.", examples=[None]
    )

    @classmethod
    def of(cls, job_id: str, result: FineTuneResult, url: str) -> "ResultShown":
        """A result; `url` is the fine-tune's."""
        return cls(
            adapter_id=None if result.adapter_file is None else job_id,
            model_id=job_id if result.is_model else None,
            file_id=result.adapter_file,
            files=[ResultFileShown.of(file, url) for file in result.files],
            card=result.card,
        )


class TeachingCostShown(BaseModel):
    """What teaching asks of a device."""

    pixel_steps: int = Field(
        description="What quotas count: steps × pictures in each × pixels, three times, as a step goes forwards and "
        "back.",
        examples=[78643200],
    )
    seconds: float | None = Field(
        description="How long it takes, as workers have measured; null while this model was never taught in this way.",
        examples=[140.5],
    )


class FineTuneShown(BaseModel):
    """One accepted request to teach a model, and what became of it."""

    id: str = Field(description="The fine-tune's id.", examples=[FINE_TUNE_ID])
    object: Literal["fine_tune"] = Field(default="fine_tune", description="What this is.", examples=["fine_tune"])
    status: JobStatus = Field(
        description="`queued` and `running` may change; the others are final.", examples=["running"]
    )
    request: FineTuneRequestShown = Field(description="The complete request.", examples=[COMPLETE])
    progress: ProgressShown = Field(
        description="How far it is.",
        examples=[{"step": 100, "total_steps": 400, "fraction": 0.25, "eta_seconds": 90.5}],
    )
    loss: float | None = Field(description="Of the last step that was reported, smoothed.", examples=[0.21])
    learning_rate: float | None = Field(description="Of that step.", examples=[0.001])
    pixel_steps: int = Field(description="What it costs, as quotas count.", examples=[78643200])
    priority: Priority = Field(description="Which of its tenant's fine-tunes are served first.", examples=["normal"])
    queue_position: int | None = Field(description="Its place while it waits, 1 = next; else null.", examples=[None])
    samples: list[SampleShown] = Field(description="The sample grids up to now.", examples=[[]])
    checkpoints: list[CheckpointShown] = Field(
        description="The last checkpoint, if there is one: older ones are not kept.", examples=[[{"step": 50}]]
    )
    result: ResultShown | None = Field(
        description="What was learnt; also of a run that diverged or was cancelled, if it had a checkpoint.",
        examples=[None],
    )
    warnings: list[str] = Field(description="What you should know about the result.", examples=[[]])
    error: FailureShown | None = Field(description="Why it failed; null unless it did.", examples=[None])
    attempt: int = Field(description="Which execution this is, from 1; 0 before the first.", examples=[1])
    created_at: datetime = Field(description="When it was accepted.", examples=[TIME])
    started_at: datetime | None = Field(description="When its present execution started.", examples=[TIME])
    finished_at: datetime | None = Field(description="When it ended.", examples=[None])
    expires_at: datetime | None = Field(
        description="When it and what it has made are removed: known when it has ended, or when it was asked for.",
        examples=[None],
    )
    urls: JobUrls = Field(
        description="What can be done with it, and where.",
        examples=[{"self": URL, "events": f"{URL}/events", "cancel": f"{URL}/cancel"}],
    )

    @classmethod
    def of(cls, job: FineTune, queue_position: int | None, eta_seconds: float | None, links: Links) -> "FineTuneShown":
        """The fine-tune as it was read, with its place in the queue and the time to its end."""
        url = links.fine_tune(job.id)
        return cls(
            **job.model_dump(include=_COPIED),
            expires_at=job.expires_at or job.expire_by,
            request=FineTuneRequestShown.model_validate(job.request.again.model_dump()),
            progress=ProgressShown(
                step=job.progress.step,
                total_steps=job.progress.total_steps,
                fraction=round(job.progress.fraction, 4),
                eta_seconds=eta_seconds,
            ),
            pixel_steps=pixel_steps(job.request),
            queue_position=queue_position,
            samples=[SampleShown.of(sample, url) for sample in job.samples],
            checkpoints=[] if job.checkpoint is None else [CheckpointShown(step=job.checkpoint.step)],
            result=None if job.result is None else ResultShown.of(job.id, job.result, url),
            urls=JobUrls(self=url, events=f"{url}/events", cancel=f"{url}/cancel"),
        )


_COPIED = {
    "id", "status", "loss", "learning_rate", "priority", "warnings", "error", "attempt", "created_at", "started_at",
    "finished_at",
}  # fmt: skip


class FineTunePage(BaseModel):
    """Fine-tunes, newest first."""

    data: list[FineTuneShown] = Field(description="The fine-tunes of this page.", examples=[[]])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one.", examples=["41"]
    )


class FineTuneQuoteShown(BaseModel):
    """What a fine-tune would cost. Nothing was accepted, and nothing is owed."""

    object: Literal["quote"] = Field(default="quote", description="What this is.", examples=["quote"])
    request: FineTuneRequestShown = Field(description="The complete request.", examples=[COMPLETE])
    cost: TeachingCostShown = Field(
        description="What it would ask of a device.", examples=[{"pixel_steps": 78643200, "seconds": 140.5}]
    )
    warnings: list[str] = Field(description="What you should know before.", examples=[[]])
    priority: Priority = Field(description="How it would wait.", examples=["normal"])
    queue_position: int = Field(description="The place where it would wait, 1 = next.", examples=[1])
    eta_seconds: float | None = Field(
        description="Seconds to its end, waiting included; null while nobody is there who teaches, or while what is "
        "before it or itself was never measured.",
        examples=[140.5],
    )
