"""Who takes part in a lane's next forward: the most urgent images, as many as make the best use of the device."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from worker.generation import Generation
from worker.pace import Pace
from worker.shares import Shares

STRETCH = 3.0
"""Everybody may be slowed down equally: an image is due when so many times its own device time has gone by."""

PATIENCE = 8
"""An image that so many turns of its lane have passed over comes first, whoever is due."""

COURTESY = 1.15
"""Beside other tenants, what one has more than they may make a forward take so many times as long, and no longer."""


def select(generations: Iterable[Generation], pace: Pace, shares: Shares) -> list[Generation]:
    """The images for the next forward, the most urgent one always among them, and then others by urgency that fit.

    No more than one of them needs a gradient through the network, which takes as long as many rows.
    Urgent is what so many turns have passed over, then what is due first. A long image is due later than a short one
    that came with it, but deadlines do not move and turns are counted, so none is overtaken without end.

    Where tenants share a lane, each has as many rows as the others, as far as it wants them; what one has more than all
    others is bounded by what it makes them wait.
    """
    urgent = sorted(generations, key=lambda generation: _urgency(generation, pace))
    lines = _lines(urgent)
    given = shares.of(lines)
    lines = {tenant: lines[tenant] for tenant in shares.solvent(lines, _fewest(lines))}
    order = _in_turn(lines, given)
    packed = {size: _fitting(order, size) for size in _bearable(lines, pace)}
    size = pace.best_size({size: sum(one.num_rows for one in chosen) for size, chosen in packed.items()})
    chosen = packed[size] if size else order[:1]
    shares.give(_rows(chosen), _wanting(lines, chosen))
    for generation in urgent:
        generation.turns_waited = 0 if generation in chosen else generation.turns_waited + 1
    return chosen


def first(denoised: Sequence[Generation], shares: Shares) -> Generation:
    """Of images that are denoised, the one to be decoded next: tenants take turns, and each one's are in order."""
    lines = _lines(denoised)
    given = shares.of(lines)
    tenant = min(lines, key=lambda tenant: (given[tenant], len(lines[tenant])))
    chosen = lines[tenant][0]
    shares.give(dict.fromkeys(chosen.tenants, 1), _wanting(lines, [chosen]))
    return chosen


def deadline(generation: Generation, pace: Pace) -> float:
    """When an image is due, on the clock of `accepted_at`."""
    return generation.accepted_at + STRETCH * generation.total_rows * pace.seconds_per_row


def _urgency(generation: Generation, pace: Pace) -> tuple[bool, float]:
    return generation.turns_waited < PATIENCE, deadline(generation, pace)


def _lines(urgent: Iterable[Generation]) -> dict[str, list[Generation]]:
    """Each tenant's images, the most urgent first; one that several have asked for is in the line of each."""
    lines: dict[str, list[Generation]] = {}
    for generation in urgent:
        for tenant in generation.tenants:
            lines.setdefault(tenant, []).append(generation)
    return lines


def _in_turn(lines: Mapping[str, Sequence[Generation]], given: Mapping[str, int]) -> list[Generation]:
    """All images, so that those that come first are as many rows of each tenant."""
    spent = dict(given)
    left = {tenant: list(line) for tenant, line in lines.items()}
    order: dict[Generation, None] = {}
    while left:
        tenant = min(left, key=lambda tenant: (spent[tenant], len(left[tenant])))
        generation = left[tenant].pop(0)
        if generation not in order:
            order[generation] = None
            spent[tenant] += generation.num_rows
        if not left[tenant]:
            del left[tenant]
    return list(order)


def _bearable(lines: Mapping[str, Sequence[Generation]], pace: Pace) -> Sequence[int]:
    """The sizes that a forward may have: beside other tenants, those that take hardly longer than equal shares do."""
    if len(lines) == 1:
        return pace.sizes
    fewest = _fewest(lines)
    equal = pace.size_for(sum(_at_least(fewest, line) for line in lines.values()))
    most_seconds = COURTESY * pace.at_most(equal)
    return [equal, *(size for size in pace.sizes if size > equal and pace.seconds_of(size) <= most_seconds)]


def _fewest(lines: Mapping[str, Sequence[Generation]]) -> int:
    """The rows that every tenant could have."""
    return max(1, min(sum(one.num_rows for one in line) for line in lines.values()))


def _at_least(num_rows: int, line: Iterable[Generation]) -> int:
    """Rows of as many images as have so many together."""
    taken = 0
    for generation in line:
        if taken >= num_rows:
            break
        taken += generation.num_rows
    return taken


def _wanting(lines: Mapping[str, Sequence[Generation]], chosen: Collection[Generation]) -> set[str]:
    """The tenants who have images beside those that are chosen."""
    return {tenant for tenant, line in lines.items() if not set(line) <= set(chosen)}


def _rows(chosen: Iterable[Generation]) -> Counter[str]:
    """The rows that each tenant is given; of an image that several have asked for, all are given the rows."""
    rows: Counter[str] = Counter()
    for generation in chosen:
        rows.update(dict.fromkeys(generation.tenants, generation.num_rows))
    return rows


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
