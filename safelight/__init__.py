"""Safelight's own client: `from safelight import Safelight, AsyncSafelight`. Its types and errors are here, too."""

from safelight.answers import (
    Cost,
    Difference,
    Failure,
    File,
    Finding,
    Image,
    Job,
    JobStatus,
    JobUrls,
    Progress,
    Quote,
    Replay,
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
from safelight.offers import (
    Adapter,
    Architecture,
    Block,
    Certificate,
    Classifier,
    Defaults,
    Limits,
    Model,
    ModelDetail,
    Part,
)
from safelight.pictures import Picture, Pictures
from safelight.provenance import Manifest, Receipt, ReceiptKey, ReceiptKeys, Verification
from safelight.sources import Source
from safelight.webhooks import Attempt, Delivery, WebhookSecret

__all__ = [
    "Adapter",
    "Architecture",
    "AsyncSafelight",
    "Attempt",
    "Block",
    "Certificate",
    "Classifier",
    "CompleteRequest",
    "ConnectionFailed",
    "Cost",
    "Defaults",
    "Delivery",
    "Difference",
    "Ended",
    "Event",
    "Failure",
    "Fields",
    "File",
    "Finding",
    "Image",
    "ImageFinished",
    "Job",
    "JobStatus",
    "JobUrls",
    "Limits",
    "Manifest",
    "Model",
    "ModelDetail",
    "Part",
    "Picture",
    "Pictures",
    "Previewed",
    "Progress",
    "Progressed",
    "Queued",
    "Quote",
    "Receipt",
    "ReceiptKey",
    "ReceiptKeys",
    "Replay",
    "Safelight",
    "SafelightError",
    "ServiceError",
    "Source",
    "Started",
    "UnexpectedAnswer",
    "UnreadableFile",
    "Verification",
    "WaitTimedOut",
    "WebhookSecret",
]
