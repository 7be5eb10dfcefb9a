"""Every code with which a job ends that has no picture, as a class of its own."""

from safelight.errors import ServiceError


class PictureRefused(ServiceError):
    """The picture was made, and this deployment does not show what its checker has found in it."""

    code = "picture_refused"


class ModelUnavailable(ServiceError):
    """The model's files are missing, damaged, or not of the family that the catalogue says."""

    code = "model_unavailable"


class NonFiniteLatents(ServiceError):
    """The network returned NaN or infinity, so there is no picture to decode."""

    code = "non_finite_latents"


class TrainingDiverged(ServiceError):
    """The loss of a fine-tune has gone far above its beginning, or is no number any more."""

    code = "training_diverged"


class TrainingFailed(ServiceError):
    """The teaching raised something that it does not know; the worker's log has the details."""

    code = "training_failed"


class GenerationFailed(ServiceError):
    """The engine raised something that it does not know; the worker's log has the details."""

    code = "generation_failed"


class OutOfMemory(ServiceError):
    """The device has not as much memory left as the picture needs, though it was made alone."""

    code = "out_of_memory"


class GenerationStalled(ServiceError):
    """The engine hung in the job, and was ended, until there was no attempt left."""

    code = "generation_stalled"


class WorkerDied(ServiceError):
    """Every attempt ended with the death of the process that was running it."""

    code = "worker_died"


class JobCancelled(ServiceError):
    """The job was cancelled while this call waited for its pictures."""

    code = "job_cancelled"
