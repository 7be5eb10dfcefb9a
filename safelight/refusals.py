"""Every code with which a call is refused, as a class of its own."""

from safelight.errors import ServiceError


class InternalError(ServiceError):
    """Something went wrong in the service; its log has the details under the request's id."""

    code = "internal_error"


class InvalidRequest(ServiceError):
    """The request does not have the documented form."""

    code = "invalid_request"


class UnknownModel(ServiceError):
    """The catalogue has no such model."""

    code = "unknown_model"


class UnsupportedScheduler(ServiceError):
    """The model cannot be sampled with this scheduler."""

    code = "unsupported_scheduler"


class UnsupportedGuidance(ServiceError):
    """The model cannot be guided in this way."""

    code = "unsupported_guidance"


class GuidanceConflict(ServiceError):
    """Each kind of guidance is well formed, and they cannot be combined."""

    code = "guidance_conflict"


class UnknownClassifier(ServiceError):
    """The catalogue has no such classifier."""

    code = "unknown_classifier"


class UnknownLabel(ServiceError):
    """The classifier offers no such label."""

    code = "unknown_label"


class UnsupportedClassifier(ServiceError):
    """The classifier cannot steer what it is asked to: it reads another model's latents, or no latents at all."""

    code = "unsupported_classifier"


class LimitExceeded(ServiceError):
    """A value is well formed and outside of what the model's row in the catalogue allows."""

    code = "limit_exceeded"


class InvalidMask(ServiceError):
    """The mask is of another size than the picture, or selects nothing of it, or everything."""

    code = "invalid_mask"


class UnsupportedEdit(ServiceError):
    """The model cannot change pictures in this way."""

    code = "unsupported_edit"


class UnsupportedTrace(ServiceError):
    """The model cannot record this of its runs."""

    code = "unsupported_trace"


class MalformedPrompt(ServiceError):
    """A prompt of `prompt_syntax` weighted has a weight or a mark that cannot be followed."""

    code = "malformed_prompt"


class UnsupportedPromptSyntax(ServiceError):
    """The model cannot read prompts of this syntax."""

    code = "unsupported_prompt_syntax"


class UnmeasuredModel(ServiceError):
    """No worker has had the model in memory yet, so nobody knows what it is made of."""

    code = "unmeasured_model"


class UnsupportedIntervention(ServiceError):
    """The model, its scheduler or its guidance cannot be intervened with in this way."""

    code = "unsupported_intervention"


class BranchConflict(ServiceError):
    """A branch says something else of its picture than the job it comes from, which cannot change on the way."""

    code = "branch_conflict"


class UnsupportedModel(ServiceError):
    """The model is of a family for which this is not offered."""

    code = "unsupported_model"


class UnknownAdapter(ServiceError):
    """The catalogue has no such adapter."""

    code = "unknown_adapter"


class AdapterMismatch(ServiceError):
    """The adapter is for another model, has other shapes, or is of a kind that does not belong here."""

    code = "adapter_mismatch"


class UnknownJob(ServiceError):
    """No job has this id, or it has been deleted or has expired."""

    code = "unknown_job"


class UnknownDelivery(ServiceError):
    """The job has no such delivery of a webhook."""

    code = "unknown_delivery"


class UnknownArtifact(ServiceError):
    """No published artifact has this id."""

    code = "unknown_artifact"


class UnknownFile(ServiceError):
    """No file has this id, or it has been deleted or has expired."""

    code = "unknown_file"


class FileInUse(ServiceError):
    """A job that has not ended uses the file."""

    code = "file_in_use"


class UnknownDataset(ServiceError):
    """No data set has this id, or it has been deleted; or it has no such picture."""

    code = "unknown_dataset"


class DatasetInUse(ServiceError):
    """A fine-tune that has not ended learns from the data set."""

    code = "dataset_in_use"


class EmptyDataset(ServiceError):
    """Of all that was sent, there is no picture to learn from."""

    code = "empty_dataset"


class UnsupportedFile(ServiceError):
    """The file is of a kind that is not taken, or is not needed here; its bytes decide, not its name."""

    code = "unsupported_file"


class DamagedFile(ServiceError):
    """The file is cut off, or its bytes contradict each other."""

    code = "damaged_file"


class PromptRefused(ServiceError):
    """The prompt asks for what this deployment does not make."""

    code = "prompt_refused"


class UnprovenReceipt(ServiceError):
    """The picture has no receipt that this service has signed, so nobody knows how it was made."""

    code = "unproven_receipt"


class UnknownKey(ServiceError):
    """No API key has this id."""

    code = "unknown_key"


class KeyEnded(ServiceError):
    """The API key is revoked, has expired, or was changed meanwhile."""

    code = "key_ended"


class JobNotEnded(ServiceError):
    """The call needs a job that has ended."""

    code = "job_not_ended"


class IdempotencyConflict(ServiceError):
    """The idempotency key was used before, with another body."""

    code = "idempotency_conflict"


class QueueFull(ServiceError):
    """As many jobs are waiting as the operator allows."""

    code = "queue_full"


class QuotaExceeded(ServiceError):
    """The API key has asked for as much as it may for now."""

    code = "quota_exceeded"


class QuotaTooSmall(ServiceError):
    """The job costs more than the API key may ever ask for at once."""

    code = "quota_too_small"


class StoreUnavailable(ServiceError):
    """The job store cannot be reached."""

    code = "store_unavailable"


class ArtifactStoreUnavailable(ServiceError):
    """The artifact store cannot be reached, or is full."""

    code = "artifact_store_unavailable"


class IllegalTransition(ServiceError):
    """A job cannot go from its present status to the one asked for."""

    code = "illegal_transition"


class CatalogueInvalid(ServiceError):
    """`models.toml` cannot be used as it stands."""

    code = "catalogue_invalid"


class MalformedJSON(ServiceError):
    """The body is not JSON, or is JSON that readers disagree about."""

    code = "malformed_json"


class MalformedMultipart(ServiceError):
    """The body cannot be read as multipart/form-data."""

    code = "malformed_multipart"


class UnsupportedMediaType(ServiceError):
    """The body is said to be something else than what this operation takes."""

    code = "unsupported_media_type"


class BodyTooLarge(ServiceError):
    """The body has more bytes than the operator allows."""

    code = "body_too_large"


class UnknownPath(ServiceError):
    """Nothing is served under this path."""

    code = "unknown_path"


class MethodNotAllowed(ServiceError):
    """The path exists, and not with this method."""

    code = "method_not_allowed"


class RangeNotSatisfiable(ServiceError):
    """The range begins behind the last byte."""

    code = "range_not_satisfiable"


class NoWorker(ServiceError):
    """No worker is alive, so jobs are accepted and wait."""

    code = "no_worker"


class Unauthenticated(ServiceError):
    """There is no API key with the request, or one that opens nothing."""

    code = "unauthenticated"


class Forbidden(ServiceError):
    """The API key is not for this."""

    code = "forbidden"


class UnknownSampler(ServiceError):
    """No sampler has this name."""

    code = "unknown_sampler"


class NotOffered(ServiceError):
    """Clients of this kind know such an operation, and this service has nothing to do it with."""

    code = "not_offered"
