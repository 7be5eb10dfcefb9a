"""The shapes in which jobs are shown to Replicate's clients: a prediction, and a page of them."""

from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.links import BASE, Links
from app.model_versions import VERSION_ID, find_model, owner_and_name, version_id
from app.responses import IMAGE_ID, JOB_ID, TIME
from contract.catalogue import Catalogue
from contract.errors import UnknownModel
from contract.job import Job, JobStatus
from contract.request import CompleteRequest

PredictionStatus = Literal["starting", "processing", "succeeded", "failed", "canceled"]

STATUSES = MappingProxyType[JobStatus, PredictionStatus](
    {
        "queued": "starting",
        "running": "processing",
        "succeeded": "succeeded",
        "failed": "failed",
        "cancelled": "canceled",
    }
)

EXAMPLE_INPUT = {"prompt": "a red apple", "num_inference_steps": 20, "seed": 7}


class PredictionUrls(BaseModel):
    """What can be done with a prediction, and where."""

    get: str = Field(description="GET reads it.", examples=[f"{BASE}/v1/predictions/{JOB_ID}"])
    cancel: str = Field(description="POST ends it.", examples=[f"{BASE}/v1/predictions/{JOB_ID}/cancel"])
    stream: str = Field(description="GET follows it.", examples=[f"{BASE}/v1/predictions/{JOB_ID}/stream"])

    @classmethod
    def of(cls, job: Job, links: Links) -> "PredictionUrls":
        """The addresses of a job."""
        url = f"{links.base}/v1/predictions/{job.id}"
        return cls(get=url, cancel=f"{url}/cancel", stream=f"{url}/stream")


class PredictionShown(BaseModel):
    """A job as Replicate's clients know jobs; it is the job of the same id under `/v1/jobs`."""

    id: str = Field(description="The job's id.", examples=[JOB_ID])
    model: str = Field(description="The model, as `owner/name`.", examples=["safelight/safelight-emoji"])
    version: str = Field(
        description="The model's version in the catalogue as it is now; empty when it is no longer there.",
        examples=[VERSION_ID],
    )
    status: PredictionStatus = Field(description="How far it is; the last three are final.", examples=["succeeded"])
    input: dict[str, Any] = Field(
        description="The complete input, the seed included: posted again, it makes the same pictures.",
        examples=[EXAMPLE_INPUT],
    )
    output: list[str] | None = Field(
        description="The pictures that are finished, in order; null before the first one.",
        examples=[[f"{BASE}/v1/artifacts/{IMAGE_ID}"]],
    )
    logs: str | None = Field(
        description="A line a step, then warnings; null in lists.", examples=[" 50%|█████     | 1/2\n"]
    )
    error: str | None = Field(description="Why it failed; null unless it did.", examples=[None])
    metrics: dict[str, float] = Field(
        description="When it has ended: `predict_time`, seconds since its last execution began, and `total_time`, "
        "seconds since it was created.",
        examples=[{"predict_time": 1.2, "total_time": 1.3}],
    )
    created_at: datetime = Field(description="When it was accepted.", examples=[TIME])
    started_at: datetime | None = Field(description="When its present execution began.", examples=[TIME])
    completed_at: datetime | None = Field(description="When it ended.", examples=[TIME])
    urls: PredictionUrls = Field(
        description="What can be done with it, and where.",
        examples=[
            {
                "get": f"{BASE}/v1/predictions/{JOB_ID}",
                "cancel": f"{BASE}/v1/predictions/{JOB_ID}/cancel",
                "stream": f"{BASE}/v1/predictions/{JOB_ID}/stream",
            }
        ],
    )

    @classmethod
    def of(cls, job: Job, catalogue: Catalogue, links: Links, logs: str | None) -> "PredictionShown":
        """The job as it was read, with this of its log; its pictures by their addresses."""
        model, version = _model_and_version(job, catalogue)
        return cls(
            id=job.id,
            model=model,
            version=version,
            status=STATUSES[job.status],
            input=input_of(job.request),
            output=[links.artifact(image.id) for image in job.images] or None,
            logs=logs,
            error=None if job.error is None else job.error.message,
            metrics=_metrics(job),
            created_at=job.created_at,
            started_at=job.started_at,
            completed_at=job.finished_at,
            urls=PredictionUrls.of(job, links),
        )


class PredictionPage(BaseModel):
    """Predictions, newest first."""

    results: list[PredictionShown] = Field(description="The predictions of this page.", examples=[[]])
    next: str | None = Field(
        description="Where the next page is; null on the last one.", examples=[f"{BASE}/v1/predictions?cursor=41"]
    )
    previous: None = Field(default=None, description="Always null: pages are read forwards.", examples=[None])


def input_of(request: CompleteRequest) -> dict[str, Any]:
    """The input that makes this request again; what says the same as another field is left out."""
    said = request.model_dump(mode="json", exclude={"model"}, exclude_defaults=True)
    said.pop("guidance" if request.guidance_scale is not None else "guidance_scale", None)
    return {name: value for name, value in said.items() if value != {}}


def _model_and_version(job: Job, catalogue: Catalogue) -> tuple[str, str]:
    try:
        spec = find_model(catalogue, job.request.model, field="model")
    except UnknownModel:
        return job.request.model, ""
    return "/".join(owner_and_name(spec)), version_id(spec)


def _metrics(job: Job) -> dict[str, float]:
    if job.finished_at is None:
        return {}
    since = {"predict_time": job.started_at, "total_time": job.created_at}
    return {name: (job.finished_at - began).total_seconds() for name, began in since.items() if began is not None}
