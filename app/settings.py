"""What the HTTP side reads from the environment beyond what both sides need."""

from typing import Literal

from pydantic import Field

from contract.settings import Settings


class AppSettings(Settings):
    """Settings of one API process; each is an environment variable `SAFELIGHT_<NAME>`."""

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    root_path: str = Field(
        default="",
        pattern=r"^(/[^/?#]+)*$",
        description="The path under which a proxy serves this API, e.g. `/images`.",
    )
    max_queued_jobs: int = Field(default=1000, ge=0, description="With this many jobs waiting, new ones are refused.")
    max_body_bytes: int = Field(default=256 * 1024, ge=1, description="The largest request body that is read.")
    shutdown_seconds: int = Field(
        default=5, ge=1, description="How long requests in flight may take to end when the process is told to stop."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least important kind of log line to write."
    )
