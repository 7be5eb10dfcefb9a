"""What one stored output is."""

from pydantic import BaseModel, ConfigDict

from contract.replays import Replayed
from contract.request import OutputFormat
from contract.safety import Finding

MEDIA_TYPES: dict[OutputFormat, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

IMMUTABLE = "private, max-age=31536000, immutable"
"""What caches are told of bytes that never change."""


class Artifact(BaseModel):
    """One published picture. `storage_key` is where its bytes are; clients never see it.

    Units: width and height in pixels. `sha256` is the hex digest of the bytes. `safety` is what a checker has found in
    it; `replayed` says how it compares with the picture that it was made to equal.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    index: int
    seed: int
    width: int
    height: int
    media_type: str
    size_bytes: int
    sha256: str
    storage_key: str
    safety: Finding | None = None
    replayed: Replayed | None = None

    @property
    def file_name(self) -> str:
        """A name to save it under."""
        return f"{self.id}.{self.media_type.partition('/')[2]}"

    @property
    def headers(self) -> dict[str, str]:
        """What is said of the bytes wherever they are read."""
        return headers_of(self.media_type, self.file_name)


def headers_of(media_type: str, file_name: str) -> dict[str, str]:
    """What is said of bytes that never change, and are saved under this name."""
    return {
        "Content-Type": media_type,
        "Content-Disposition": f'inline; filename="{file_name}"',
        "Cache-Control": IMMUTABLE,
    }


def artifact_id(job_id: str, index: int) -> str:
    """The public id of a job's image `index`; as unguessable as the job's own."""
    return f"{job_id.replace('job_', 'art_', 1)}_{index}"


def job_id_of(artifact_id: str) -> str:
    """The id of the job that an artifact id belongs to; for text of another form, an id that no job has."""
    return artifact_id.rpartition("_")[0].replace("art_", "job_", 1)
