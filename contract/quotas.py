"""How much a key may ask for: pixel-steps from a bucket that fills by the second, and jobs at a time."""

import math
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.errors import QuotaExceeded, QuotaTooSmall

BURST_SECONDS = 60
"""What the bucket holds where nobody says, in seconds of its filling."""


class Quota(BaseModel):
    """What a key may ask for; what is left open is not bounded.

    Units: a pixel-step is one denoising step of one pixel. The bucket is the key's, and its successors' when it is
    rotated; the jobs that are counted are all of the tenant's.
    """

    model_config = ConfigDict(frozen=True)

    pixel_steps_per_second: float | None = Field(default=None, gt=0)
    burst: int | None = Field(default=None, ge=1)
    max_queued: int | None = Field(default=None, ge=0)
    max_running: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _fill_what_empties(self) -> Self:
        if self.burst is not None and self.pixel_steps_per_second is None:
            raise ValueError("a burst needs pixel-steps per second, by which its bucket fills")
        return self

    @property
    def capacity(self) -> int | None:
        """What the bucket holds."""
        if self.burst is not None or self.pixel_steps_per_second is None:
            return self.burst
        return math.ceil(self.pixel_steps_per_second * BURST_SECONDS)


@dataclass(frozen=True, slots=True)
class Allowance:
    """A quota as it is used: with the account whose bucket is drawn from."""

    quota: Quota
    account: str

    def bill(self, cost: int) -> dict[str, str | float]:
        """What the script that admits a job of this cost, in pixel-steps, has to know."""
        quota = self.quota
        bounds = {
            "rate": quota.pixel_steps_per_second,
            "burst": quota.capacity,
            "max_queued": quota.max_queued,
            "max_running": quota.max_running,
        }
        known = {name: bound for name, bound in bounds.items() if bound is not None}
        return {"account": self.account, "cost": cost, **known}

    def refusal(self, cost: int, wait_seconds: str) -> QuotaExceeded | QuotaTooSmall:
        """Why a job was not admitted; `wait_seconds` is '' where waiting does not help."""
        costs = f"This job costs {cost} pixel-steps"
        if not wait_seconds:
            return QuotaTooSmall(
                f"{costs}, and this API key may ask for {self.quota.capacity} at once.", field="num_images"
            )
        after = math.ceil(float(wait_seconds))
        return QuotaExceeded(
            f"{costs}; this API key has asked for as much as it may. Try again in {after} s.", retry_after_seconds=after
        )


UNBOUNDED = Allowance(Quota(), "")
