"""When an execution will end, on stated times: believed at first, seen later, without a jump in between."""

import pytest

from worker.step_rate import StepRate


def test_nothing_is_known_at_first() -> None:
    pace = StepRate(0, None, now=10.0)
    assert pace.eta_seconds(20) is None
    pace.saw(2, now=11.0)
    assert pace.eta_seconds(18) == 9.0


def test_a_prediction_is_believed_until_a_step_is_seen() -> None:
    pace = StepRate(0, 0.5, now=10.0)
    assert pace.eta_seconds(20) == 10.0


def test_what_is_seen_counts_more_with_every_step() -> None:
    pace = StepRate(0, 1.0, now=0.0)
    etas = []
    for step in range(1, 61):
        pace.saw(step, now=step * 0.5)
        etas.append(pace.eta_seconds(100))
    assert etas[0] == pytest.approx(50 + 50 * 5 / 6, abs=1e-3)
    assert etas[5] == pytest.approx(50 + 50 * (5 / 6) ** 6, abs=1e-3)
    assert etas[-1] == pytest.approx(50.0, abs=0.2)
    assert etas == sorted(etas, reverse=True)


def test_one_slow_step_of_many_is_no_jump() -> None:
    pace = StepRate(0, 1.0, now=0.0)
    pace.saw(1, now=7.0)
    assert pace.eta_seconds(10) == pytest.approx(20.0)


def test_steps_seen_together_are_one_sight() -> None:
    together, apart = StepRate(4, 1.0, now=0.0), StepRate(4, 1.0, now=0.0)
    together.saw(8, now=2.0)
    for number in range(1, 5):
        apart.saw(4 + number, now=number * 0.5)
    assert together.eta_seconds(10) == apart.eta_seconds(10)


def test_the_same_step_again_says_nothing() -> None:
    pace = StepRate(0, 1.0, now=0.0)
    pace.saw(1, now=1.0)
    pace.saw(1, now=500.0)
    assert pace.eta_seconds(10) == 10.0
