"""The engine against how other servers share a device, as ratios side by side: `python -m bench.engine --help`."""

import argparse
import io
import os
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image

from bench import rq_baseline
from bench.diffusers_pipeline import BarePipeline
from bench.encoding import noise
from bench.exactness import differing
from bench.kernels import gemm_flops_per_second, network_flops_per_row
from bench.plot import draw
from bench.policies import Policy, Run, any_mix, equal_requests, equal_steps, serve
from bench.quantiles import p95, ratio_interval
from bench.saturation import pictures_per_second, seconds_for, served
from bench.table import Measure, as_json, missed, report
from bench.workload import FULL, SHORT, Scale, at_once, mixed, poisson, uniform
from contract.catalogue import read_catalogue
from contract.request import CompleteRequest
from launch.settings import LaunchSettings, num_cores
from worker.child import engine_of
from worker.generation import Generation
from worker.lane import Lane
from worker.pace import Pace
from worker.png import write_png
from worker.settings import WorkerSettings

POLICIES: dict[str, Policy] = {"any mix": any_mix, "equal requests": equal_requests, "equal steps": equal_steps}
LOADS = (0.8, 1.1)
BATCHES = (1, 2, 4, 8, 16)


class Bounds(NamedTuple):
    """What is promised of each ratio."""

    service_to_bare: float
    service_to_rq: float
    to_equal_requests: tuple[float, float]
    to_equal_steps: tuple[float, float]
    unloaded_ms: float
    overhead: float
    flops: float
    guarantee: float
    png: float


FULL_BOUNDS = Bounds(0.95, 1.6, (0.5, 0.25), (0.7, 0.5), 20.0, 0.03, 0.5, 0.02, 0.1)
SHORT_BOUNDS = Bounds(0.2, 0.5, (3.0, 3.0), (3.0, 3.0), 1000.0, 0.5, 0.05, 1.0, 0.5)
"""Wide, as the short form runs beside other work: it guards against what breaks, not against what is slow."""


class Bench:
    """One engine, one bare pipeline, and the sizes of everything."""

    def __init__(self, scale: Scale, bounds: Bounds, home: Path) -> None:
        self.scale = scale
        self.bounds = bounds
        self.settings = WorkerSettings(home=home)
        catalogue = read_catalogue(self.settings.catalogue)
        self.spec = catalogue.find(catalogue.default_model)
        self.engine = engine_of(catalogue, self.settings)
        self.bare = BarePipeline(self.spec)
        self.rq_per_second = 0.0
        self.runs: dict[str, Run] = {}
        serve(self.engine, at_once(self._mix(4)), any_mix, 8)

    @property
    def lane(self) -> Lane:
        """The one that everything here runs in."""
        return self.engine.lanes[0]

    def throughput(self) -> list[Measure]:
        """The whole service, full, against the plain pipeline and against RQ's own worker."""
        same, mix = uniform(self.spec, self.scale, 2 * self.scale.num_jobs // 3), self._mix(16)
        batch = max(BATCHES, key=self._bare_per_second)
        with served(self.settings.home) as address:
            turns = [
                (pictures_per_second(address, same), self._bare_per_second(batch)) for _ in range(self.scale.num_turns)
            ]
            mixed_seconds = statistics.median(seconds_for(address, mix) for _ in range(2))
            unloaded = self._unloaded_ms(address)
        ratios = sorted(service / bare for service, bare in turns)
        rq_seconds = rq_baseline.seconds_for(mix)
        self.rq_per_second = len(mix) / rq_seconds
        return [
            Measure("service, full, pictures a second", statistics.median(turn[0] for turn in turns), "/s"),
            Measure(
                f"B0: bare pipeline at its best batch, {batch}", statistics.median(turn[1] for turn in turns), "/s"
            ),
            Measure("service ÷ B0", statistics.median(ratios), at_least=self.bounds.service_to_bare),
            Measure("service ÷ B0: least of the turns", ratios[0]),
            Measure("service ÷ B0: most of the turns", ratios[-1]),
            Measure("B1: diffusers in an RQ worker, mixed", self.rq_per_second, "/s"),
            Measure("service ÷ B1, mixed", rq_seconds / mixed_seconds, at_least=self.bounds.service_to_rq),
            Measure("one picture, service minus bare", unloaded, "ms", at_most=self.bounds.unloaded_ms),
        ]

    def waiting(self) -> list[Measure]:
        """How long people wait under each policy, at loads relative to what RQ's own worker can bear."""
        measures = []
        bounds = zip(LOADS, self.bounds.to_equal_requests, self.bounds.to_equal_steps, strict=True)
        for load, to_requests, to_steps in bounds:
            waits = {name: self._latencies(name, policy, load) for name, policy in POLICIES.items()}
            measures += [
                *(Measure(f"p95, {name}, at {load}", p95(seconds), "s") for name, seconds in waits.items()),
                *compared(
                    f"p95 ÷ B2 (equal requests) at {load}", waits["any mix"], waits["equal requests"], to_requests
                ),
                *compared(f"p95 ÷ B3 (equal steps) at {load}", waits["any mix"], waits["equal steps"], to_steps),
            ]
        return measures

    def kernels(self) -> list[Measure]:
        """What of the device's arithmetic reaches the network, and what everything else takes of a tick."""
        before = self.engine.counters
        serve(self.engine, at_once(self._mix(16)), any_mix, self.lane.pace.row_cap)
        done = self.engine.counters - before
        flops, dtype = self._row()
        peak = gemm_flops_per_second(dtype, self.lane.device)
        reached = flops / self.lane.pace.seconds_per_row / peak
        overhead = 1 - done.forward_seconds / done.tick_seconds
        return [
            Measure("rows of a forward at most", self.lane.pace.row_cap),
            Measure("rows of a forward, mean under load", done.num_rows / done.num_forwards),
            Measure("everything but the forward, of a tick", overhead, at_most=self.bounds.overhead),
            Measure("GEMM peak", peak / 1e9, "GFLOP/s"),
            Measure("forward ÷ GEMM peak", reached, at_least=self.bounds.flops),
        ]

    def promises(self, num_mixes: int) -> list[Measure]:
        """That pictures do not depend on their company, and what it costs to keep to sizes that agree."""
        number, total = differing(self.engine, self.spec, num_mixes, seed=0)
        return [
            Measure(f"pictures that differ, of {total} in {num_mixes} mixes", number, at_most=0),
            Measure("throughput that the guarantee costs", self._guarantee_cost(), at_most=self.bounds.guarantee),
            Measure("PNG ÷ Pillow's time, 512²", png_ratio(), at_most=self.bounds.png),
        ]

    def _row(self) -> tuple[float, torch.dtype]:
        """The floating point operations of one row, and the number format that they are done in."""
        generation = self.engine.prepare("counted", self._mix(1)[0])
        if not isinstance(generation, Generation):
            raise TypeError(f"{self.spec.id} cannot be stepped through.")
        flops = network_flops_per_row(generation, generation.pipeline)
        self.engine.discard(generation)
        return flops, generation.pipeline.network_dtype

    def _guarantee_cost(self) -> float:
        """Certified sizes against any size up to the cap, in turns."""
        certified = self.lane.pace
        anything = any_size(certified)
        requests = self._mix(12)
        seconds: dict[Pace, list[float]] = {certified: [], anything: []}
        for _ in range(3):
            for pace, taken in seconds.items():
                self.lane.pace = pace
                taken.append(serve(self.engine, at_once(requests), any_mix, pace.row_cap).seconds)
        self.lane.pace = certified
        return min(seconds[certified]) / min(seconds[anything]) - 1

    def _latencies(self, name: str, policy: Policy, load: float) -> list[float]:
        arrivals = poisson(self.spec, self.scale, load * self.rq_per_second, seed=int(10 * load))
        run = serve(self.engine, arrivals, policy, self.lane.pace.row_cap)
        self.runs[f"{name} at {load}"] = run
        return run.latencies

    def _bare_per_second(self, batch: int) -> float:
        requests = uniform(self.spec, self.scale, batch)
        seconds = []
        for _ in range(2):
            started_at = time.perf_counter()
            self.bare.draw(requests)
            seconds.append(time.perf_counter() - started_at)
        return batch / min(seconds)

    def _unloaded_ms(self, address: str) -> float:
        """One picture at a time, from POST to bytes, and by the bare pipeline on as many threads, in turns."""
        service, bare = [], []
        all_threads = torch.get_num_threads()
        torch.set_num_threads(max(1, num_cores() // LaunchSettings().num_workers))
        for request in uniform(self.spec, self.scale, 8):
            service.append(seconds_for(address, [request]))
            started_at = time.perf_counter()
            self.bare.draw([request])
            bare.append(time.perf_counter() - started_at)
        torch.set_num_threads(all_threads)
        return 1000 * (statistics.median(service[1:]) - statistics.median(bare[1:]))

    def _mix(self, count: int) -> list[CompleteRequest]:
        source = random.Random(count)
        return [mixed(self.spec, self.scale, source) for _ in range(count)]


def compared(name: str, ours: list[float], theirs: list[float], at_most: float) -> list[Measure]:
    """One ratio of 95th percentiles beside its bound, and the interval that so few jobs leave open."""
    interval = ratio_interval(ours, theirs)
    return [
        Measure(name, p95(ours) / p95(theirs), at_most=at_most),
        Measure(f"{name}: from", interval.low),
        Measure(f"{name}: to", interval.high),
    ]


def any_size(pace: Pace) -> Pace:
    """Every number of rows up to the cap, each as fast as the line between its neighbours says."""
    sizes = [size for size in pace.sizes if size <= pace.row_cap]
    seconds = np.interp(range(1, pace.row_cap + 1), sizes, [pace.seconds_of(size) for size in sizes])
    return Pace({size: float(taken) for size, taken in enumerate(seconds, start=1)})


def png_ratio() -> float:
    """Our writer against Pillow's defaults on noise with the spectrum of photographs, in turns; the least of each."""
    pixels = noise(512, 1.5)
    ours, pillows = [], []
    for _ in range(9):
        started_at = time.perf_counter()
        write_png(pixels, {})
        written_at = time.perf_counter()
        Image.fromarray(pixels).save(io.BytesIO(), "png")
        ours.append(written_at - started_at)
        pillows.append(time.perf_counter() - written_at)
    return min(ours) / min(pillows)


def main() -> None:
    """Prints the figures beside the targets; exits with 1 when one is missed."""
    parser = argparse.ArgumentParser(
        description="Measure the engine and the service against a bare diffusers pipeline (B0), the same behind RQ's "
        "SimpleWorker (B1), batches of equal requests (B2) and batches of equal steps (B3), on the kernels of this "
        "machine in one run. Arrivals are a seeded Poisson process with mixed steps, guidance and schedulers."
    )
    parser.add_argument("--short", action="store_true", help="small pictures and wide bounds: a guard, not a proof")
    parser.add_argument("--jobs", type=int, help="how many jobs arrive in each run")
    parser.add_argument("--mixes", type=int, default=100, help="how many random mixes are compared byte by byte")
    parser.add_argument("--out", type=Path, help="a folder for engine.json and engine.webp")
    arguments = parser.parse_args()
    if not arguments.short and "OMP_WAIT_POLICY" in os.environ:
        parser.error("unset OMP_WAIT_POLICY: it slows down the threads of those that we are compared with")
    scale, bounds = (SHORT, SHORT_BOUNDS) if arguments.short else (FULL, FULL_BOUNDS)
    if arguments.jobs:
        scale = scale._replace(num_jobs=arguments.jobs)
    with tempfile.TemporaryDirectory(prefix="sl-") as home:
        bench = Bench(scale, bounds, Path(home))
        measures = [
            *bench.throughput(), *bench.waiting(), *bench.kernels(), *bench.promises(arguments.mixes)
        ]  # fmt: skip
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "engine.json").write_text(as_json(measures))
        draw(bench.runs, bench.lane, arguments.out / "engine.webp")
    print(report(measures))
    if missed(measures):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
