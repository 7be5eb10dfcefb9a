"""What the parent makes of the times at which its child says that it has worked, on stated times."""

from dataclasses import replace

import pytest

from tests.conftest import complete_request
from worker.messages import Worked
from worker.stopwatch import Stopwatch

ONE = complete_request()
KIND = ("tiny", 64, 64)


class Watch:
    """A stopwatch, and a clock that goes as the test says."""

    def __init__(self) -> None:
        self.stopwatch = Stopwatch()
        self.now = 100.0

    def tick(self, seconds: float, rows: int, *, images: int = 1, forwards: int = 1, kinds: int = 1) -> None:
        self.now += seconds
        requests = [ONE.model_copy(update={"height": 64 * (1 + index % kinds)}) for index in range(images)]
        self.stopwatch.worked(Worked(num_steps=images, num_forwards=forwards, num_rows=rows), requests, self.now)

    def start(self, **how: int) -> None:
        """Two intervals that do not count."""
        self.stopwatch.began()
        for _ in range(2):
            self.tick(50.0, 2, **how)


@pytest.fixture
def watch() -> Watch:
    watch = Watch()
    watch.start()
    return watch


def test_an_interval_is_as_long_as_its_rows(watch: Watch) -> None:
    watch.tick(0.25, 2)
    cost = watch.stopwatch.costs[KIND]
    assert (cost.seconds_per_row, cost.seconds_per_forward_alone) == (0.125, 0.25)


def test_what_a_start_takes_is_not_counted(watch: Watch) -> None:
    assert watch.stopwatch.costs == {}
    watch.tick(0.25, 2)
    watch.stopwatch.began()
    watch.tick(9.0, 2)
    watch.tick(9.0, 2)
    assert watch.stopwatch.costs[KIND].seconds_per_row == 0.125


def test_a_row_is_timed_where_forwards_are_fullest(watch: Watch) -> None:
    watch.tick(0.25, 1)
    watch.start(images=4)
    watch.tick(0.5, 8, images=4)
    assert watch.stopwatch.costs[KIND].seconds_per_row == 0.0625
    watch.tick(0.5, 2, images=4)
    cost = watch.stopwatch.costs[KIND]
    assert cost.seconds_per_row == 0.0625
    assert cost.seconds_per_forward_alone == 0.25, "with others it was not alone"


def test_a_decode_is_what_is_left_of_its_interval(watch: Watch) -> None:
    watch.tick(0.25, 2)
    watch.stopwatch.decoded()
    watch.tick(1.25, 2, images=0)
    assert watch.stopwatch.costs[KIND].seconds_per_decode == 1.0


def test_sizes_that_are_mixed_are_not_told_apart(watch: Watch) -> None:
    watch.start(images=2, kinds=2)
    watch.tick(0.25, 2, images=2, kinds=2)
    assert watch.stopwatch.costs == {}


def test_one_odd_interval_changes_nothing(watch: Watch) -> None:
    for _ in range(10):
        watch.tick(0.25, 2)
    watch.tick(2.5, 2)
    assert watch.stopwatch.costs[KIND].seconds_per_row == 0.125


def test_a_device_that_became_slower_is_believed_in_the_end(watch: Watch) -> None:
    for seconds in [0.25] * 20 + [0.5] * 8:
        watch.tick(seconds, 2)
    assert watch.stopwatch.costs[KIND].seconds_per_row == 0.25


def test_an_engine_that_speaks_of_several_forwards_at_once(watch: Watch) -> None:
    watch.tick(1.0, 8, forwards=4)
    cost = watch.stopwatch.costs[KIND]
    assert replace(cost, seconds_per_decode=0.0) == cost
    assert (cost.seconds_per_row, cost.seconds_per_forward_alone) == (0.125, 0.25)
