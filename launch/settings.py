"""What the launcher reads from the environment, beyond what both sides share."""

from pydantic import Field

from contract.settings import Settings


class LaunchSettings(Settings):
    """Settings of the launcher; each is an environment variable `SAFELIGHT_<NAME>`."""

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    stop_seconds: float = Field(
        default=15, gt=0, description="How long each process may take to stop before it is killed."
    )
