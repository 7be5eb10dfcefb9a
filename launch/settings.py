"""What the launcher reads from the environment, beyond what both sides share."""

import os
from pathlib import Path

from pydantic import Field

from contract.settings import Settings


class LaunchSettings(Settings):
    """Settings of the launcher; each is an environment variable `SAFELIGHT_<NAME>`."""

    host: str = Field(default="127.0.0.1", description="The address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="The port to listen on; 0 takes a free one.")
    workers: int | None = Field(
        default=None,
        ge=1,
        description="How many workers to start; by default two, which share the CPU's cores, and one where there is an "
        "NVIDIA GPU or only one core.",
    )
    stop_seconds: float = Field(
        default=15, gt=0, description="How long each process may take to stop before it is killed."
    )

    @property
    def num_workers(self) -> int:
        """How many workers are started."""
        if self.workers is not None:
            return self.workers
        return 1 if NVIDIA_DEVICE.exists() else min(2, num_cores())


NVIDIA_DEVICE = Path("/dev/nvidia0")


def num_cores() -> int:
    """The CPU cores of this machine."""
    return os.cpu_count() or 1
