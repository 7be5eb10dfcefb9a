"""Whose turn it is: the lanes share the device by seconds, not by images, so that none waits for another's rush."""

from collections.abc import Collection, Mapping

from worker.lane import Lane


class Turns:
    """Deficit round robin: a lane saves up the seconds that it was passed over, and runs when it can pay for a turn.

    Promise: a lane with work gets at least its part of the device's seconds by its weight, whatever the others have;
             of n lanes of equal weights, each gets every n-th second.
    Source: Shreedhar & Varghese 1996, doi:10.1109/90.502236, with seconds of forwards in the place of bytes.
    """

    def __init__(self) -> None:
        self._order: list[Lane] = []

    def next(self, lanes: Mapping[Lane, float]) -> Lane:
        """The lane that may run now, and pays for it; `lanes` are those with work, at least one, with their weights."""
        self._admit(lanes)
        quantum, heaviest = max(lane.next_seconds for lane in lanes), max(lanes.values())
        while self._order[0].deficit < self._order[0].next_seconds:
            self._order.append(self._order.pop(0))
            self._order[0].deficit += lanes[self._order[0]] / heaviest * quantum
        lane = self._order[0]
        lane.deficit -= lane.next_seconds
        return lane

    def _admit(self, lanes: Collection[Lane]) -> None:
        for lane in self._order:
            if lane not in lanes:
                lane.deficit = 0.0
        self._order = [lane for lane in self._order if lane in lanes]
        self._order += [lane for lane in lanes if lane not in self._order]
