"""Addresses as one client sees them: under which URL it reached this API, and whether they have to be signed."""

from dataclasses import dataclass

from app.signatures import Signer

BASE = "http://127.0.0.1:8000"
"""What examples begin with."""


@dataclass(frozen=True, slots=True)
class Links:
    """Addresses under the URL at which the client reached this API. With a signer, pictures open in a browser."""

    base: str
    signer: Signer | None = None

    def job(self, job_id: str) -> str:
        """Where a job is read."""
        return f"{self.base}/v1/jobs/{job_id}"

    def fine_tune(self, job_id: str) -> str:
        """Where a fine-tune is read."""
        return f"{self.base}/v1/fine-tunes/{job_id}"

    def file(self, file_id: str) -> str:
        """Where a file is read."""
        return f"{self.base}/v1/files/{file_id}"

    def dataset_picture(self, dataset_id: str, index: int) -> str:
        """Where the bytes of a data set's picture are."""
        return f"{self.base}/v1/datasets/{dataset_id}/pictures/{index}/content"

    def artifact(self, artifact_id: str) -> str:
        """Where an image's bytes are."""
        url = f"{self.base}/v1/artifacts/{artifact_id}"
        return url if self.signer is None else f"{url}?{self.signer.query(artifact_id)}"
