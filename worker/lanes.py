"""All lanes of an engine: which one an image belongs to, which has work, and what part of the device is whose."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from worker.generation import Generation
from worker.lane import Lane, LaneKey, Measuring
from worker.stepwise_pipeline import StepwisePipeline
from worker.turns import Turns

Certify = Callable[[LaneKey, StepwisePipeline], Measuring]
"""How a lane is measured before its first image."""


class Turn(NamedTuple):
    """A lane that may run now, and its images; `savings` are the seconds that it had before it paid."""

    lane: Lane
    waiting: Sequence[Generation]
    savings: float
    is_shared: bool

    def end(self, seconds: float) -> None:
        """The turn has taken so long. Who has no other tenant beside itself pays what was expected."""
        if self.is_shared:
            self.lane.deficit = self.savings - seconds


class Lanes:
    """Not for several threads.

    Promise: tenants with work have equal parts of the device's seconds, and each lane of a tenant an equal part of the
             tenant's; so no tenant has more of the device for asking for many sizes.
    """

    def __init__(self, certify: Certify) -> None:
        self._certify = certify
        self._lanes: dict[LaneKey, Lane] = {}
        self._turns = Turns()

    @property
    def measured(self) -> tuple[Lane, ...]:
        """Of every model and size that has been measured."""
        return tuple(lane for lane in self._lanes.values() if lane.certificate is not None)

    def of(self, generation: Generation) -> Lane:
        """The lane of an image, which is made if there is none."""
        key = generation.lane_key
        if key not in self._lanes:
            self._lanes[key] = Lane(key, self._certify(key, generation.pipeline), generation.latents.device)
        return self._lanes[key]

    def forget(self, lane: Lane) -> None:
        """Lets go of a lane that cannot be measured."""
        del self._lanes[lane.key]

    def next(self, generations: Iterable[Generation]) -> Turn | None:
        """Whose turn it is among the lanes of these images; None where there are none."""
        waiting: dict[Lane, list[Generation]] = {}
        for generation in generations:
            waiting.setdefault(self.of(generation), []).append(generation)
        if not waiting:
            return None
        tenants = {lane: {tenant for one in images for tenant in one.tenants} for lane, images in waiting.items()}
        lane = self._turns.next(_weights(tenants))
        return Turn(lane, waiting[lane], lane.deficit + lane.next_seconds, len(set().union(*tenants.values())) > 1)


def _weights(tenants: Mapping[Lane, set[str]]) -> dict[Lane, float]:
    """What part of the device each lane has, in tenants' parts."""
    num_lanes = Counter(tenant for some in tenants.values() for tenant in some)
    return {lane: sum(1 / num_lanes[tenant] for tenant in some) for lane, some in tenants.items()}
