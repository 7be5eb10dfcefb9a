"""What work costs, as the parent can see it without a word from the child: the time from one `Worked` to the next."""

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from contract.costs import Cost
from contract.request import CompleteRequest
from worker.messages import Worked

Kind = tuple[str, int, int]

REMEMBERED = 15
"""So many measurements of a kind are remembered, and their median is believed: a slow first forward does not last."""


def _times() -> deque[float]:
    return deque(maxlen=REMEMBERED)


@dataclass
class Times:
    """Seconds of one model and size: of rows in the fullest forwards seen, of forwards, alone and not, of decodes."""

    rows_per_forward: float = 0.0
    rows: deque[float] = field(default_factory=_times)
    forwards: deque[float] = field(default_factory=_times)
    forwards_alone: deque[float] = field(default_factory=_times)
    decodes: deque[float] = field(default_factory=_times)

    def add(self, work: Worked, seconds: float, *, alone: bool) -> None:
        """Forwards that took so long together."""
        fullness = work.num_rows / work.num_forwards
        if fullness > self.rows_per_forward:
            self.rows_per_forward = fullness
            self.rows.clear()
        if fullness == self.rows_per_forward:
            self.rows.append(seconds / work.num_rows)
        (self.forwards_alone if alone else self.forwards).append(seconds / work.num_forwards)

    def cost(self, kind: Kind) -> Cost:
        """What that says of the kind."""
        forward = median(self.forwards_alone or self.forwards)
        return Cost(*kind, median(self.rows), forward, median(self.decodes) if self.decodes else 0.0)


class Stopwatch:
    """Seconds of rows, forwards and decodes, by model and size.

    An interval counts when all images in flight are of one model and size, and none of them began in it or in the one
    before (the child hears of an image between two intervals): then its length is that of its rows and of its decoded
    pictures. A row is timed where forwards are fullest.
    A child that measures its own costs knows better, and what it says goes before this. Not for several threads.
    """

    def __init__(self) -> None:
        self._times: defaultdict[Kind, Times] = defaultdict(Times)
        self._kind: Kind | None = None
        self._alone = False
        self._since = 0.0
        self._num_unclear = 2
        self._num_decoded = 0

    @property
    def costs(self) -> dict[Kind, Cost]:
        """What has been measured."""
        return {kind: times.cost(kind) for kind, times in self._times.items()}

    @property
    def num_kinds(self) -> int:
        """Of how many models and sizes."""
        return len(self._times)

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
        if not self._num_decoded and work.num_forwards and work.num_rows:
            self._times[kind].add(work, seconds, alone=self._alone)
        elif self._num_decoded and kind in self._times:
            rows = work.num_rows * median(self._times[kind].rows)
            self._times[kind].decodes.append(max(0.0, seconds - rows) / self._num_decoded)
