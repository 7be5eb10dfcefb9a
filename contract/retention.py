"""How long a client wants its job kept, where that is shorter than everybody's are."""

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

UPLOAD_SECONDS = 60.0
"""A file lives at least so long, so that it is there when the job that names it is admitted."""


class Retention(BaseModel):
    """A job and its pictures are removed so many seconds after its end, or at a time, which ends a job that has not."""

    model_config = ConfigDict(frozen=True)

    seconds: float | None = None
    until: datetime | None = None

    @property
    def record(self) -> dict[str, str]:
        """What a job's record says of it, for the scripts."""
        said = {} if self.seconds is None else {"retention_seconds": str(self.seconds)}
        return said if self.until is None else said | {"expire_by": f"{self.until.timestamp():.6f}"}

    def of_files(self, most_seconds: float) -> float:
        """How long a file lives that came with the request: as long as a job that holds it, and not much longer."""
        wanted = self.seconds if self.until is None else (self.until - datetime.now(UTC)).total_seconds()
        return most_seconds if wanted is None else min(most_seconds, max(wanted, UPLOAD_SECONDS))
