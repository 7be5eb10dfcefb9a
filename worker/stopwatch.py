"""What work costs, as the parent can see it without a word from the child: the time from one `Worked` to the next."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from contract.costs import Cost
from contract.request import CompleteRequest
from worker.messages import Worked

Kind = tuple[str, int, int]

SHARE = 0.2
"""How much a new measurement counts against what was known."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A cost, with the rows of a forward at which a row was timed, and whether an image was seen alone."""

    cost: Cost
    rows_per_forward: float
    seen_alone: bool


class Stopwatch:
    """Seconds of rows, forwards and decodes, by model and size.

    An interval counts when all images in flight are of one model and size, and none of them began in it or in the one
    before (the child hears of an image between two intervals): then its length is that of its rows and of its decoded
    pictures. A row is timed where forwards are fullest.
    A child that measures its own costs knows better, and what it says goes before this. Not for several threads.
    """

    def __init__(self) -> None:
        self._known: dict[Kind, Measured] = {}
        self._kind: Kind | None = None
        self._alone = False
        self._since = 0.0
        self._num_unclear = 2
        self._num_decoded = 0

    @property
    def costs(self) -> dict[Kind, Cost]:
        """What has been measured."""
        return {kind: measured.cost for kind, measured in self._known.items()}

    def began(self) -> None:
        """An image begins, and nobody knows what its start takes."""
        self._num_unclear = 2

    def decoded(self) -> None:
        """A picture is there."""
        self._num_decoded += 1

    def worked(self, work: Worked, in_flight: Sequence[CompleteRequest], now: float) -> None:
        """The engine has worked up to `now`, a time in seconds; `in_flight` is one request for every image left."""
        if self._num_unclear:
            self._num_unclear -= 1
        elif self._kind is not None:
            self._measure(self._kind, work, now - self._since)
        kinds = {(request.model, request.height, request.width) for request in in_flight}
        self._kind = next(iter(kinds)) if len(kinds) == 1 else None
        self._alone = len(in_flight) == 1
        self._since, self._num_decoded = now, 0

    def _measure(self, kind: Kind, work: Worked, seconds: float) -> None:
        if self._num_decoded:
            self._time_decoding(kind, work, seconds)
        elif work.num_forwards and work.num_rows:
            self._known[kind] = self._with_rows(kind, work, seconds)

    def _time_decoding(self, kind: Kind, work: Worked, seconds: float) -> None:
        known = self._known.get(kind)
        if known is None:
            return
        rest = max(0.0, seconds - work.num_rows * known.cost.seconds_per_row) / self._num_decoded
        decode = _blend(known.cost.seconds_per_decode or rest, rest)
        self._known[kind] = replace(known, cost=replace(known.cost, seconds_per_decode=decode))

    def _with_rows(self, kind: Kind, work: Worked, seconds: float) -> Measured:
        per_row, per_forward = seconds / work.num_rows, seconds / work.num_forwards
        fullness = work.num_rows / work.num_forwards
        known = self._known.get(kind)
        if known is None:
            return Measured(Cost(*kind, per_row, per_forward, 0.0), fullness, self._alone)
        cost, seen_alone = known.cost, known.seen_alone or self._alone
        if fullness >= known.rows_per_forward:
            fuller = fullness > known.rows_per_forward
            cost = replace(cost, seconds_per_row=per_row if fuller else _blend(cost.seconds_per_row, per_row))
        if self._alone:
            alone = _blend(cost.seconds_per_forward_alone, per_forward) if known.seen_alone else per_forward
            cost = replace(cost, seconds_per_forward_alone=alone)
        return Measured(cost, max(fullness, known.rows_per_forward), seen_alone)


def _blend(known: float, seen: float) -> float:
    return (1 - SHARE) * known + SHARE * seen
