"""How long a forward of each size takes, kept up to date while serving, and the size up to which sharing pays."""

from collections.abc import Mapping

WORTH = 1.05
"""A row may cost this much more than in the best size: the smallest size that holds to it is sooner done."""

SMOOTHING = 0.1
"""Weight of the newest measurement."""

LEARNING = 0.03
"""Weight of the newest measurement in what is known of one size beside the others."""

OUTLIER = 2.0
"""No single measurement counts for more than so many times what was known: it was somebody else's noise."""

TRIAL_EVERY = 32
"""After so many forwards the size above the cap is tried again, when there are rows for it: a cap measured in a bad
moment does not stay, and nobody who is alone pays for finding out."""


def blend(known: float, seen: float) -> float:
    """What is known of a duration, after it was seen once more."""
    return known + SMOOTHING * (seen - known)


class Pace:
    """Seconds of one forward by its number of rows. Not for several threads.

    A machine that is slow just now is so for every size: were only the size that ran believed to be slow, the others
    would look the better the longer they did not run. What sizes are to each other is seen where one follows another.
    """

    def __init__(self, seconds: Mapping[int, float]) -> None:
        self._seconds = _filled_up(seconds)
        self._slowness = 1.0
        self._latest = 0
        self._row_cap = self._profitable()
        self._since_trial = 0

    @property
    def row_cap(self) -> int:
        """The number of rows beyond which a forward only makes everybody wait: the largest size that still pays."""
        return self._row_cap

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes up to the cap, and the next one above it when its trial is due."""
        largest = self._trial or self._row_cap
        return tuple(size for size in self._seconds if size <= largest)

    @property
    def _trial(self) -> int | None:
        above = [size for size in self._seconds if size > self._row_cap]
        return min(above) if above and self._since_trial >= TRIAL_EVERY else None

    @property
    def seconds_per_row(self) -> float:
        """What a row costs in a full forward."""
        return self.seconds_of(self._row_cap) / self._row_cap

    def seconds_of(self, size: int) -> float:
        """What a forward of this size takes now."""
        return self._slowness * self._seconds[size]

    def at_most(self, size: int) -> float:
        """What a forward of this size takes at most, whatever was measured of it alone and long ago: no more than lies
        between the smallest size and the cap, of which more is known.
        """
        smallest, cap = min(self._seconds), self._row_cap
        if size >= cap or cap == smallest:
            return self.seconds_of(size)
        way = (size - smallest) / (cap - smallest)
        return min(self.seconds_of(size), (1 - way) * self.seconds_of(smallest) + way * self.seconds_of(cap))

    def size_for(self, num_rows: int) -> int:
        """The smallest size with room for so many rows, at most the cap."""
        return min((size for size in self.sizes if num_rows <= size), default=self._row_cap)

    def note(self, size: int, seconds: float) -> None:
        """Takes a new measurement in; the cap follows."""
        ratio = min(seconds / max(self.seconds_of(size), 1e-9), OUTLIER)
        if size != self._latest:
            self._seconds = _filled_up(self._seconds | {size: self._seconds[size] * (1 + LEARNING * (ratio - 1))})
        self._slowness *= blend(1, ratio)
        self._latest = size
        self._since_trial = 0 if size > self._row_cap else self._since_trial + 1
        self._row_cap = self._profitable()

    def best_size(self, rows_that_fit: Mapping[int, int]) -> int | None:
        """Of some of the sizes, the one with the most rows a second, given how many rows would fill each.

        A trial that is due comes first where more rows fit into it than into the cap.
        """
        trial = self._trial
        if trial is not None and rows_that_fit.get(trial, 0) > self._row_cap:
            return trial
        sizes = [size for size, num_rows in rows_that_fit.items() if size != trial and num_rows]
        return max(sizes, key=lambda size: (rows_that_fit[size] / max(self._seconds[size], 1e-9), -size), default=None)

    def _profitable(self) -> int:
        cheapest = min(seconds / size for size, seconds in self._seconds.items())
        return min(size for size, seconds in self._seconds.items() if seconds / size <= WORTH * cheapest)


def _filled_up(seconds: Mapping[int, float]) -> dict[int, float]:
    """What each size takes at most: no more than a larger one, as it may be filled up to that."""
    sizes = sorted(seconds)
    return {size: min(seconds[other] for other in sizes[place:]) for place, size in enumerate(sizes)}
