"""Safelight's own client: `from safelight import Safelight, AsyncSafelight`. Its types and errors are here, too."""

from safelight.answers import (
    Adapter,
    Certificate,
    Classifier,
    Cost,
    Defaults,
    Failure,
    File,
    Image,
    Job,
    JobStatus,
    JobUrls,
    Limits,
    Model,
    ModelDetail,
    Progress,
)
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
from safelight.pictures import Picture, Pictures
from safelight.sources import Source

__all__ = [
    "Adapter",
    "AsyncSafelight",
    "Certificate",
    "Classifier",
    "CompleteRequest",
    "ConnectionFailed",
    "Cost",
    "Defaults",
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
    "Safelight",
    "SafelightError",
    "ServiceError",
    "Source",
    "Started",
    "UnexpectedAnswer",
    "UnreadableFile",
    "WaitTimedOut",
]
