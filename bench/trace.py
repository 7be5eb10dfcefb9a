"""What recording a run costs, and that it changes no byte: `python -m bench.trace --help`."""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from bench.table import Measure, missed, report
from contract.catalogue import ModelSpec, read_catalogue
from contract.request import CompleteRequest, GenerationRequest
from contract.traces import TraceAsked
from worker.child import engine_of
from worker.engine import Engine
from worker.events import Failed, Finished, Picture
from worker.settings import WorkerSettings
from worker.trace_files import TraceFiles

EVERYTHING = TraceAsked(attention=True, latents=True, guidance=True, text=True, autoencoder=True)
PROMPTS = ("a red apple", "a green leaf beside a tree", "a yellow star in the night sky", "a smiling face")
AT_MOST = 1.1


class Turn(NamedTuple):
    """The same picture with and without a recording. Units: seconds of a processor."""

    plain: float
    recorded: float
    files: float
    num_bytes: int
    is_equal: bool


def main() -> None:
    """Prints the figures; exits with 1 where one misses its bound."""
    parser = argparse.ArgumentParser(
        description="Make pictures of the default model alone, each once as it is and once with everything recorded, "
        "turn about, and compare the pixels and what of one processor's time the engine takes, at its least."
    )
    parser.add_argument("--turns", type=int, default=20)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="sl-") as home:
        settings = WorkerSettings(home=Path(home))
        catalogue = read_catalogue(settings.catalogue)
        spec, engine = catalogue.find(catalogue.default_model), engine_of(catalogue, settings)
        turn(engine, spec, 0)
        turns = [turn(engine, spec, number) for number in range(1, arguments.turns + 1)]
    plain, recorded = min(one.plain for one in turns), min(one.recorded for one in turns)
    measures = [
        Measure("a picture, plain, at its least", 1000 * plain, "ms"),
        Measure("a picture, recorded, at its least", 1000 * recorded, "ms"),
        Measure("recorded ÷ plain, at their least", recorded / plain, at_most=AT_MOST),
        Measure("recorded ÷ plain, median", statistics.median(one.recorded / one.plain for one in turns)),
        Measure("the files of a trace, on another thread", 1000 * statistics.median(one.files for one in turns), "ms"),
        Measure("the files of a trace", statistics.median(one.num_bytes for one in turns) / 1000, "kB"),
        Measure("pictures that differ", sum(not one.is_equal for one in turns), at_most=0),
    ]
    print(report(measures))
    raise SystemExit(bool(missed(measures)))


def turn(engine: Engine, spec: ModelSpec, number: int) -> Turn:
    """One picture, made twice; which of them comes first alternates."""
    request = spec.complete(GenerationRequest(prompt=PROMPTS[number % len(PROMPTS)], seed=number))
    kinds = (None, EVERYTHING) if number % 2 else (EVERYTHING, None)
    made = {kind is not None: made_in(engine, request, kind) for kind in kinds}
    (plain, plain_seconds), (recorded, recorded_seconds) = made[False], made[True]
    assert recorded.recording is not None
    started_at = time.process_time()
    files = TraceFiles(recorded.recording, spec.family).written()
    return Turn(
        plain_seconds,
        recorded_seconds,
        time.process_time() - started_at,
        sum(len(part.content) for part in files),
        np.array_equal(plain.pixels, recorded.pixels),
    )


def made_in(engine: Engine, request: CompleteRequest, trace: TraceAsked | None) -> tuple[Picture, float]:
    """A picture, and what the engine took from the request to the pixels. Raises: SafelightError, if there is none."""
    started_at = time.process_time()
    engine.admit(engine.prepare("one", request, trace=trace))
    while True:
        for event in engine.step():
            if isinstance(event, Failed):
                raise event.error
            if isinstance(event, Finished):
                return event.picture, time.process_time() - started_at


if __name__ == "__main__":
    main()
