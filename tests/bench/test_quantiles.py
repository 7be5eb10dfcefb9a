"""What is said of a ratio of two percentiles."""

import pytest

from bench.quantiles import p95, ratio_interval


def test_the_percentile_is_what_nineteen_of_twenty_do_not_exceed() -> None:
    assert p95(range(101)) == 95


def test_an_interval_holds_the_ratio_and_shrinks_with_more_jobs() -> None:
    few, many = list(range(1, 61)), [value / 10 for value in range(1, 601)]
    wide, narrow = (ratio_interval(some, [2.0 * value for value in some]) for some in (few, many))
    assert wide.low < 0.5 < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_where_all_took_the_same_there_is_no_doubt() -> None:
    assert ratio_interval([3.0] * 60, [6.0] * 60) == pytest.approx((0.5, 0.5))
