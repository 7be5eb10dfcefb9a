"""The 95th percentile of what a run took, and how sure one can be of a ratio of two of them."""

import random
import statistics
from collections.abc import Sequence
from typing import NamedTuple

NUM_DRAWS = 1000


class Interval(NamedTuple):
    """Nine of ten ratios of samples drawn anew lie between these."""

    low: float
    high: float


def p95(seconds: Sequence[float]) -> float:
    """What 95 of 100 did not exceed."""
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]


def ratio_interval(ours: Sequence[float], theirs: Sequence[float], seed: int = 0) -> Interval:
    """The interval of p95(ours) / p95(theirs). Jobs of one queue wait together, so the truth is wider than this.

    Source: Efron 1979, doi:10.1214/aos/1176344552, percentile intervals.
    """
    source = random.Random(seed)
    ratios = [p95(_drawn(ours, source)) / p95(_drawn(theirs, source)) for _ in range(NUM_DRAWS)]
    twentieths = statistics.quantiles(ratios, n=20, method="inclusive")
    return Interval(twentieths[0], twentieths[-1])


def _drawn(seconds: Sequence[float], source: random.Random) -> list[float]:
    return source.choices(seconds, k=len(seconds))
