"""The error tree: every way in which Safelight says no, with a code that clients can rely on."""

from typing import ClassVar


class SafelightError(Exception):
    """An error with a stable `code`; `retryable` says whether the same call may succeed later.

    `field` names the part of the request that is to blame, where one is.
    """

    code: ClassVar[str] = "internal_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class InvalidRequest(SafelightError):
    """The request does not have the documented form."""

    code = "invalid_request"


class UnknownModel(SafelightError):
    """The catalogue has no such model."""

    code = "unknown_model"


class UnsupportedScheduler(SafelightError):
    """The model cannot be sampled with this scheduler."""

    code = "unsupported_scheduler"


class UnsupportedGuidance(SafelightError):
    """The model cannot be guided in this way."""

    code = "unsupported_guidance"


class GuidanceConflict(SafelightError):
    """Each kind of guidance is well formed, and they cannot be combined."""

    code = "guidance_conflict"


class UnknownClassifier(SafelightError):
    """The catalogue has no such classifier."""

    code = "unknown_classifier"


class UnknownLabel(SafelightError):
    """The classifier offers no such label."""

    code = "unknown_label"


class UnsupportedClassifier(SafelightError):
    """The classifier cannot steer what it is asked to: it reads another model's latents, or no latents at all."""

    code = "unsupported_classifier"


class LimitExceeded(SafelightError):
    """A value is well formed and outside of what the model's row in the catalogue allows."""

    code = "limit_exceeded"


class InvalidMask(SafelightError):
    """The mask is of another size than the picture, or selects nothing of it, or everything."""

    code = "invalid_mask"


class UnsupportedEdit(SafelightError):
    """The model cannot change pictures in this way."""

    code = "unsupported_edit"


class UnsupportedTrace(SafelightError):
    """The model cannot record this of its runs."""

    code = "unsupported_trace"


class MalformedPrompt(SafelightError):
    """A prompt of `prompt_syntax` weighted has a weight or a mark that cannot be followed."""

    code = "malformed_prompt"


class UnsupportedPromptSyntax(SafelightError):
    """The model cannot read prompts of this syntax."""

    code = "unsupported_prompt_syntax"


class UnmeasuredModel(SafelightError):
    """No worker has had the model in memory yet, so nobody knows what it is made of."""

    code = "unmeasured_model"
    retryable = True


class UnsupportedIntervention(SafelightError):
    """The model, its scheduler or its guidance cannot be intervened with in this way."""

    code = "unsupported_intervention"


class BranchConflict(SafelightError):
    """A branch says something else of its picture than the job it comes from, which cannot change on the way."""

    code = "branch_conflict"


class UnsupportedModel(SafelightError):
    """The model is of a family for which this is not offered."""

    code = "unsupported_model"


class UnknownAdapter(SafelightError):
    """The catalogue has no such adapter."""

    code = "unknown_adapter"


class AdapterMismatch(SafelightError):
    """The adapter is for another model, has other shapes, or is of a kind that does not belong here."""

    code = "adapter_mismatch"


class UnknownJob(SafelightError):
    """No job has this id, or it has been deleted or has expired."""

    code = "unknown_job"


class UnknownArtifact(SafelightError):
    """No published artifact has this id."""

    code = "unknown_artifact"


class UnknownDelivery(SafelightError):
    """The job has no such delivery of a webhook."""

    code = "unknown_delivery"


class UnknownFile(SafelightError):
    """No file has this id, or it has been deleted or has expired."""

    code = "unknown_file"


class FileInUse(SafelightError):
    """A job that has not ended uses the file."""

    code = "file_in_use"


class UnknownDataset(SafelightError):
    """No data set has this id, or it has been deleted; or it has no such picture."""

    code = "unknown_dataset"


class DatasetInUse(SafelightError):
    """A fine-tune that has not ended learns from the data set."""

    code = "dataset_in_use"


class EmptyDataset(SafelightError):
    """Of all that was sent, there is no picture to learn from."""

    code = "empty_dataset"


class UnsupportedFile(SafelightError):
    """The file is of a kind that is not taken, or is not needed here; its bytes decide, not its name."""

    code = "unsupported_file"


class DamagedFile(SafelightError):
    """The file is cut off, or its bytes contradict each other."""

    code = "damaged_file"


class PromptRefused(SafelightError):
    """The prompt asks for what this deployment does not make."""

    code = "prompt_refused"


class PictureRefused(SafelightError):
    """The picture was made, and this deployment does not show what its checker has found in it."""

    code = "picture_refused"


class UnprovenReceipt(SafelightError):
    """The picture has no receipt that this service has signed, so nobody knows how it was made."""

    code = "unproven_receipt"


class UnknownKey(SafelightError):
    """No API key has this id."""

    code = "unknown_key"


class KeyEnded(SafelightError):
    """The API key is revoked, has expired, or was changed meanwhile."""

    code = "key_ended"


class JobNotEnded(SafelightError):
    """The call needs a job that has ended."""

    code = "job_not_ended"


class IdempotencyConflict(SafelightError):
    """The idempotency key was used before, with another body."""

    code = "idempotency_conflict"


class QueueFull(SafelightError):
    """As many jobs are waiting as the operator allows."""

    code = "queue_full"
    retryable = True


class QuotaExceeded(SafelightError):
    """The API key has asked for as much as it may for now."""

    code = "quota_exceeded"
    retryable = True

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QuotaTooSmall(SafelightError):
    """The job costs more than the API key may ever ask for at once."""

    code = "quota_too_small"


class StoreUnavailable(SafelightError):
    """The job store cannot be reached."""

    code = "store_unavailable"
    retryable = True


class ArtifactStoreUnavailable(StoreUnavailable):
    """The artifact store cannot be reached, or is full."""

    code = "artifact_store_unavailable"


class IllegalTransition(SafelightError):
    """A job cannot go from its present status to the one asked for."""

    code = "illegal_transition"


class CatalogueInvalid(SafelightError):
    """`models.toml` cannot be used as it stands."""

    code = "catalogue_invalid"


class ModelUnavailable(SafelightError):
    """The model's files are missing, damaged, or not of the family that the catalogue says."""

    code = "model_unavailable"


class NonFiniteLatents(SafelightError):
    """The network returned NaN or infinity, so there is no picture to decode."""

    code = "non_finite_latents"


class TrainingDiverged(SafelightError):
    """The loss of a fine-tune has gone far above its beginning, or is no number any more."""

    code = "training_diverged"


class GenerationFailed(SafelightError):
    """The engine raised something that it does not know; the worker's log has the details."""

    code = "generation_failed"


class TrainingFailed(SafelightError):
    """The teaching raised something that it does not know; the worker's log has the details."""

    code = "training_failed"


class OutOfMemory(SafelightError):
    """The device has not as much memory left as the picture needs, though it was made alone."""

    code = "out_of_memory"


class GenerationStalled(SafelightError):
    """The engine hung in the job, and was ended, until there was no attempt left."""

    code = "generation_stalled"


class WorkerDied(SafelightError):
    """Every attempt ended with the death of the process that was running it."""

    code = "worker_died"
    retryable = True
