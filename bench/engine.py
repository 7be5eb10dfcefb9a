"""The engine against how other servers share a device, as ratios measured side by side: `python -m bench.engine --help`."""

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from bench import rq_baseline
from bench.diffusers_pipeline import BarePipeline
from bench.exactness import differing
from bench.kernels import gemm_flops_per_second, network_flops_per_row
from bench.policies import Policy, Run, any_mix, equal_requests, equal_steps, serve
from bench.saturation import end_to_end_seconds, pictures_per_second, served
from bench.plot import draw
from bench.table import Measure, as_json, missed, report
from bench.workload import FULL, SHORT, Scale, at_once, mixed, poisson, uniform
from contract.catalogue import Catalogue, ModelSpec, read_catalogue
from contract.costs import num_rows
from worker.child import engine_of
from worker.engine import Engine
from worker.lane import Lane
from worker.settings import WorkerSettings

POLICIES: dict[str, Policy] = {"any mix": any_mix, "equal requests": equal_requests, "equal steps": equal_steps}
LOADS = (0.8, 1.1)


class Bounds(NamedTuple):
    """What is promised of each ratio; the short form only guards against regressions."""

    service_to_bare: float = 0.95
    mixed_to_rq: float = 1.6
    p95_to_equal_requests: tuple[float, float] = (0.5, 0.25)
    p95_to_equal_steps: tuple[float, float] = (0.7, 0.5)
    unloaded_ms: float = 20.0
    overhead: float = 0.03
    flops: float = 0.5
    guarantee: float = 0.02


FULL_BOUNDS = Bounds()
SHORT_BOUNDS = Bounds(0.6, 1.1, (1.2, 1.0), (1.3, 1.2), 150.0, 0.25, 0.15, 0.25)


class Bench:
    """One engine, one bare pipeline, and the sizes of everything."""

    def __init__(self, scale: Scale, bounds: Bounds, home: Path) -> None:
        self.scale = scale
        self.bounds = bounds
        self.settings = WorkerSettings(home=home)
        self.catalogue: Catalogue = read_catalogue(self.settings.catalogue)
        self.spec: ModelSpec = self.catalogue.find(self.catalogue.default_model)
        self.engine = engine_of(self.catalogue, self.settings)
        self.bare = BarePipeline(self.spec)
        self.runs: dict[str, Run] = {}
        self.warm_up()

    def warm_up(self) -> None:
        """Measures the lane, and runs every path once."""
        serve(self.engine, at_once(uniform(self.spec, self.scale, 4)), any_mix, 8)

    @property
    def lane(self) -> Lane:
        """The one that everything here runs in."""
        return self.engine.lanes[0]

    # ---- throughput

    def bare_per_second(self) -> float:
        """B0: pictures a second of the plain pipeline, at its best batch."""
        best = 0.0
        for batch in (1, 2, 4, 8):
            requests = uniform(self.spec, self.scale, batch)
            started_at = time.perf_counter()
            self.bare.draw(requests)
            best = max(best, batch / (time.perf_counter() - started_at))
        return best

    def throughput(self) -> list[Measure]:
        """The whole service, full, against the plain pipeline and against RQ's own worker."""
        requests = [mixed(self.spec, self.scale, random.Random(seed)) for seed in range(16)]
        before = self.bare_per_second()
        with served(self.settings.home) as address:
            service = pictures_per_second(address, uniform(self.spec, self.scale, 40), margin=8)
            mix = 1 / statistics.mean([pictures_seconds(address, requests) / len(requests) for _ in range(2)])
        bare = max(before, self.bare_per_second())
        rq = len(requests) / rq_baseline.seconds_for(requests)
        self.rq_per_second = rq
        return [
            Measure("service, pictures a second", round(service, 3), "/s"),
            Measure("bare pipeline at its best batch (B0)", round(bare, 3), "/s"),
            Measure("service ÷ B0", round(service / bare, 3), at_least=self.bounds.service_to_bare),
            Measure("RQ worker, mixed, one at a time (B1)", round(rq, 3), "/s"),
            Measure("service ÷ B1, mixed", round(mix / rq, 3), at_least=self.bounds.mixed_to_rq),
        ]
