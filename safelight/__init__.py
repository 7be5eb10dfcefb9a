"""Safelight's own client: `from safelight import Safelight, AsyncSafelight`. Its types and errors are here, too."""

from safelight.answers import Cost, Failure, File, Image, Job, JobStatus, JobUrls, Progress, Quote
from safelight.asynchronous import AsyncSafelight
from safelight.blocking import Safelight
from safelight.errors import (
    ConnectionFailed,
    SafelightError,
    ServiceError,
    UnexpectedAnswer,
    UnreadableFile,
    WaitTimedOut,
)
from safelight.events import Ended, Event, ImageFinished, Previewed, Progressed, Queued, Started
from safelight.fields import CompleteRequest, Fields
from safelight.offers import Adapter, Certificate, Classifier, Defaults, Limits, Model, ModelDetail
from safelight.pictures import Picture, Pictures
from safelight.sources import Source
from safelight.webhooks import Attempt, Delivery, WebhookSecret

__all__ = [
    "Adapter",
    "AsyncSafelight",
    "Attempt",
    "Certificate",
    "Classifier",
    "CompleteRequest",
    "ConnectionFailed",
    "Cost",
    "Defaults",
    "Delivery",
    "Ended",
    "Event",
    "Failure",
    "Fields",
    "File",
    "Image",
    "ImageFinished",
    "Job",
    "JobStatus",
    "JobUrls",
    "Limits",
    "Model",
    "ModelDetail",
    "Picture",
    "Pictures",
    "Previewed",
    "Progress",
    "Progressed",
    "Queued",
    "Quote",
    "Safelight",
    "SafelightError",
    "ServiceError",
    "Source",
    "Started",
    "UnexpectedAnswer",
    "UnreadableFile",
    "WaitTimedOut",
    "WebhookSecret",
]
