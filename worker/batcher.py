"""Who takes part in a lane's next forward: the most urgent images, as many as make the best use of the device."""

from collections.abc import Iterable, Sequence

from worker.generation import Generation
from worker.pace import Pace

STRETCH = 3.0
"""Everybody may be slowed down equally: an image is due when so many times its own device time has gone by."""

PATIENCE = 8
"""An image that so many turns of its lane have passed over comes first, whoever is due."""


def select(generations: Iterable[Generation], pace: Pace) -> list[Generation]:
    """The images for the next forward, the most urgent one always among them, and then others by urgency that fit.

    No more than one of them needs a gradient through the network, which takes as long as many rows.
    Urgent is what so many turns have passed over, then what is due first. A long image is due later than a short one
    that came with it, but deadlines do not move and turns are counted, so none is overtaken without end.
    """
    urgent = sorted(generations, key=lambda generation: _urgency(generation, pace))
    packed = {size: _fitting(urgent, size) for size in pace.sizes}
    size = pace.best_size({size: sum(one.num_rows for one in chosen) for size, chosen in packed.items()})
    chosen = packed[size] if size else urgent[:1]
    for generation in urgent:
        generation.turns_waited = 0 if generation in chosen else generation.turns_waited + 1
    return chosen


def deadline(generation: Generation, pace: Pace) -> float:
    """When an image is due, on the clock of `accepted_at`."""
    return generation.accepted_at + STRETCH * generation.total_rows * pace.seconds_per_row


def _urgency(generation: Generation, pace: Pace) -> tuple[bool, float]:
    return generation.turns_waited < PATIENCE, deadline(generation, pace)


def _fitting(urgent: Sequence[Generation], size: int) -> list[Generation]:
    chosen: list[Generation] = []
    room = size
    for generation in urgent:
        if generation.stage.energies and any(one.stage.energies for one in chosen):
            continue
        if generation.num_rows <= room:
            chosen.append(generation)
            room -= generation.num_rows
        elif not chosen:
            break
    return chosen
