"""What both sides read from the environment: where the state lives, and how long things last."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from contract.logs import LogFormat


class SettingError(Exception):
    """A setting asks for what cannot be done, or names a file that is of no use."""


class Settings(BaseSettings):
    """Settings that the API and the workers must agree on; each is an environment variable `SAFELIGHT_<NAME>`.

    Raises: pydantic.ValidationError at construction, naming the variable.
    """

    model_config = SettingsConfigDict(env_prefix="SAFELIGHT_", frozen=True)

    home: Path = Field(default=Path("var"), description="Data directory: the embedded store and the artifacts.")
    redis_url: str | None = Field(
        default=None, description="The job store to use instead of the embedded one, e.g. `redis://host:6379/0`."
    )
    artifacts_url: str | None = Field(
        default=None,
        description="Where artifacts are kept instead of `<home>/artifacts`, e.g. `s3://bucket/prefix`; "
        "credentials come from the usual `AWS_…` variables.",
    )
    catalogue: Path = Field(default=Path("models.toml"), description="The catalogue of models.")
    open_to_others: bool = Field(
        default=False,
        description="Answer other machines although there is no API key: for a port that something else guards.",
    )
    lease_seconds: float = Field(
        default=15, gt=0, description="After this long without a heartbeat a worker's jobs go to another."
    )
    max_attempts: int = Field(
        default=3,
        ge=1,
        description="How often a job may take a worker's process along, running alone, before it fails for good.",
    )
    retention_seconds: float = Field(
        default=7 * 24 * 3600, gt=0, description="How long an ended job and its pictures are kept."
    )
    fine_tuning: bool = Field(
        default=True, description="Whether models can be taught: `python -m launch` starts a process for that."
    )
    fine_tune_retention_seconds: float = Field(
        default=30 * 24 * 3600, gt=0, description="How long an ended fine-tune and what it has made are kept."
    )
    log_format: LogFormat = Field(
        default="text", description="How log lines are written: `text` for people, or `json`, one object a line."
    )

    @property
    def store_url(self) -> str:
        """The Redis URL in force: the one given, or the embedded store's socket."""
        return self.redis_url or f"unix://{self.store_socket}"

    @property
    def store_socket(self) -> Path:
        """Where the embedded store listens."""
        return self.home.resolve() / "store" / "valkey.sock"

    @property
    def artifacts_location(self) -> str:
        """The URL of the artifact store in force."""
        return self.artifacts_url or (self.home.resolve() / "artifacts").as_uri()
