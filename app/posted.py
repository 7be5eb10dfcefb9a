"""What a client posts beside the request proper: what is to be done about the job, which is no part of its pictures."""

from pydantic import BaseModel, Field

from app.resources import Resources
from app.retention import Time, retention
from app.webhooks.asked import WebhookAsked, webhook
from contract.branches import Branch
from contract.fine_tuning import FineTuneRequest
from contract.job import Priority
from contract.request import GenerationRequest
from contract.terms import Repeatable, Terms
from contract.traces import TraceAsked


class JobPosted(BaseModel):
    """What is to be done about a job, whatever it is asked for."""

    priority: Priority | None = Field(
        default=None,
        description="Which of your waiting jobs are served first; null is `normal`, or what your API key may ask for.",
        examples=["normal"],
    )
    webhook: WebhookAsked | None = Field(
        default=None,
        description="Where to be told of the job's events; null tells nobody.",
        examples=[{"url": "https://example.com/hooks/pictures", "events": ["succeeded", "failed", "cancelled"]}],
    )
    retention_seconds: int | None = Field(
        default=None,
        ge=1,
        description="How long the job, its pictures and the pictures that came with it are kept after its end; null "
        "takes the operator's time, which is also the longest.",
        examples=[3600],
    )
    expires_at: Time | None = Field(
        default=None,
        strict=False,
        description="When all of that is removed, instead of `retention_seconds`. A job that has not ended by then is "
        "cancelled.",
        examples=["2026-11-24T12:00:00Z"],
    )

    def terms(self, resources: Resources, base: str, idempotency_key: str | None, *, most_seconds: float) -> Terms:
        """The same as it goes with the job, which is kept for `most_seconds` at most; `base` is how we were reached.

        Raises: InvalidRequest, LimitExceeded, naming the field.
        """
        return Terms(
            priority=self.priority,
            webhook=webhook(self.webhook, resources, base),
            retention=retention(self.retention_seconds, self.expires_at, most_seconds),
            repeatable=None if idempotency_key is None else Repeatable(idempotency_key),
        )


class GenerationPosted(JobPosted, GenerationRequest):
    """A request, and what is to be done about its job."""

    branch_from: Branch | None = Field(
        default=None,
        description="A job whose run is continued from a step with something changed: `prompt`, `negative_prompt`, "
        "`guidance_scale` or `intervene`. What is left out is that job's; what cannot change on the way may only be "
        "repeated.",
        examples=[None],
    )
    trace: TraceAsked | None = Field(
        default=None,
        description="What the run is to record of itself, beside its one picture, whose bytes it does not change; null "
        "records nothing. `trace_kinds` of the model says what it can.",
        examples=[{"attention": True, "latents": True, "guidance": True, "text": True, "autoencoder": True}],
    )

    @property
    def request(self) -> GenerationRequest:
        """The request alone."""
        return GenerationRequest.model_construct(
            self.model_fields_set & GenerationRequest.model_fields.keys(),
            **{name: getattr(self, name) for name in GenerationRequest.model_fields},
        )


class FineTunePosted(JobPosted, FineTuneRequest):
    """A request to teach a model, and what is to be done about its job."""

    @property
    def request(self) -> FineTuneRequest:
        """The request alone."""
        return FineTuneRequest.model_construct(
            self.model_fields_set & FineTuneRequest.model_fields.keys(),
            **{name: getattr(self, name) for name in FineTuneRequest.model_fields},
        )
