"""Pictures made in random company against the same made alone: `python -m bench.exactness --mixes 1000`."""

import argparse
import random
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from bench.workload import Scale, mixed
from contract.catalogue import ModelSpec, read_catalogue
from contract.request import CompleteRequest
from worker.child import engine_of
from worker.engine import Engine
from worker.events import Failed, Finished
from worker.images import Pixels
from worker.settings import WorkerSettings

SMALL = Scale(size=64, steps=(1, 2, 3), num_jobs=0)
NUM_KINDS = 48
"""Different requests; mixes draw from them, so that each picture alone is made once."""


def main() -> None:
    """Prints how many pictures differ; exits with 1 when any does."""
    parser = argparse.ArgumentParser(
        description="Draw mixes of requests with random steps, guidance, schedulers, seeds, sizes of company and times "
        "of joining, and compare each picture with the one that the same engine makes of its request alone."
    )
    parser.add_argument("--mixes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sl-") as home:
        settings = WorkerSettings(home=Path(home))
        catalogue = read_catalogue(settings.catalogue)
        engine = engine_of(catalogue, settings)
        number, total = differing(engine, catalogue.find(catalogue.default_model), arguments.mixes, arguments.seed)
        (lane,) = engine.lanes
    print(f"{number} of {total} pictures differ, in {arguments.mixes} mixes; certificate: {lane.certificate}")
    if number:
        raise SystemExit(1)


def differing(engine: Engine, spec: ModelSpec, num_mixes: int, seed: int) -> tuple[int, int]:
    """How many pictures of random mixes are not those that their requests give alone, and how many there were."""
    source = random.Random(seed)
    kinds = [mixed(spec, SMALL, source) for _ in range(NUM_KINDS)]
    alone = [make(engine, {"0": kind}, source)["0"] for kind in kinds]
    number = total = 0
    for _ in range(num_mixes):
        chosen = source.sample(range(NUM_KINDS), source.randint(2, 8))
        made = make(engine, {str(index): kinds[index] for index in chosen}, source)
        number += sum(not np.array_equal(made[str(index)], alone[index]) for index in chosen)
        total += len(chosen)
    return number, total


def make(engine: Engine, requests: Mapping[str, CompleteRequest], source: random.Random) -> dict[str, Pixels]:
    """The pictures of requests that join at random ticks. Raises: RuntimeError, when one fails."""
    joining = sorted((source.randint(0, 6), name) for name in requests)
    made: dict[str, Pixels] = {}
    tick = 0
    while joining or engine.has_work:
        while joining and joining[0][0] <= tick:
            _, name = joining.pop(0)
            engine.add(name, requests[name])
        for event in engine.step():
            if isinstance(event, Failed):
                raise RuntimeError(event.error.message)
            if isinstance(event, Finished):
                made[event.generation_id] = event.picture.pixels
        tick += 1
    return made


if __name__ == "__main__":
    main()
