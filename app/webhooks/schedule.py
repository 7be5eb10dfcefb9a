"""What follows a try to deliver: an end, or another try, and when."""

import random
from collections.abc import Sequence
from typing import NamedTuple

from contract.outbox import Attempt, Delivery, DeliveryStatus

JITTER = 0.1
"""By up to this part of itself each wait is longer, so that what failed together is not tried together."""


class Following(NamedTuple):
    """How a delivery stands after a try, and the seconds to the next one if there is one."""

    status: DeliveryStatus
    delay_seconds: float = 0.0


def following(delivery: Delivery, attempt: Attempt, retries_at_seconds: Sequence[float]) -> Following:
    """What follows `attempt`. Retries are in seconds after the first try; progress is not told twice."""
    if attempt.status_code is not None and 200 <= attempt.status_code < 300:
        return Following("succeeded")
    if attempt.status_code == 410:
        return Following("disabled")
    if delivery.event == "progress" or delivery.tries >= len(retries_at_seconds):
        return Following("failed")
    before, after = [0.0, *retries_at_seconds][delivery.tries : delivery.tries + 2]
    return Following("pending", (after - before) * random.uniform(1, 1 + JITTER))
