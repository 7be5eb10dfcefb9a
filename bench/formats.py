"""Decoding and reading in float32 and in bfloat16, and how far apart the pictures are: `python -m bench.formats`."""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from bench.table import Measure, conclude
from bench.workload import THINGS, Scale, uniform
from contract.catalogue import ModelSpec, read_catalogue
from contract.request import CompleteRequest
from worker import stepping
from worker.devices import Placement
from worker.generation import start
from worker.images import Pixels, pixels_of
from worker.lane import Lane
from worker.loading import load_model
from worker.pace import Pace
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.prompt_cache import PromptCache
from worker.settings import WorkerSettings

ROWS = 8
TIMED = 2
"""So many pictures and prompts are made in each turn."""

SAME_TO_THE_EYE = 45.0
"""Decibels."""


def main() -> None:
    """Prints how far pictures are apart, and what each of them takes by format and number of threads."""
    parser = argparse.ArgumentParser(
        description="Compare float32 and bfloat16 in the autoencoder and the text encoders of the default model; its "
        "network computes in bfloat16 on both sides."
    )
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    catalogue = read_catalogue(WorkerSettings().catalogue)
    spec = catalogue.find(catalogue.default_model)
    narrow = _loaded(spec, torch.bfloat16)
    wide = _loaded(spec, torch.float32)
    sides = {"float32": replace(narrow, readers=wide.readers, vae=wide.vae), "bfloat16": narrow}
    scale = Scale(spec.defaults.height, (0, spec.defaults.num_inference_steps), arguments.pictures)
    with torch.inference_mode():
        latents = {name: denoised(side, uniform(spec, scale, arguments.pictures)) for name, side in sides.items()}
        measures = _distances(sides, latents)
        for num_threads in (1, 2):
            torch.set_num_threads(num_threads)
            measures += _durations(sides, latents["float32"][:TIMED], arguments.rounds)
    conclude(measures)


def denoised(pipeline: StableDiffusion, requests: Sequence[CompleteRequest]) -> list[Tensor]:
    """What becomes of requests of equal steps before it is decoded. Shapes: each (1, C, H, W)."""
    generations = [start(str(index), one, pipeline, PromptCache()) for index, one in enumerate(requests)]
    lane = Lane(generations[0].lane_key, iter(()), generations[0].latents.device)
    lane.pace = Pace({ROWS: 1.0})
    while not generations[0].is_denoised:
        stepping.advance(generations, lane.forward(pipeline, stepping.rows_of(generations)))
    return [generation.latents for generation in generations]


def psnr(one: Pixels, other: Pixels) -> float:
    """The peak signal-to-noise ratio of two pictures. Units: decibels; infinite where they are equal."""
    error = np.mean((one.astype(np.float64) - other.astype(np.float64)) ** 2)
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def in_turns(calls: dict[str, Callable[[], object]], num_rounds: int) -> dict[str, float]:
    """The least seconds of each call, one call after the other in every round, so that all see the same machine."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(num_rounds):
        for name, call in calls.items():
            started_at = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started_at)
    return {name: min(taken) for name, taken in seconds.items()}


def _distances(sides: dict[str, StableDiffusion], latents: dict[str, list[Tensor]]) -> list[Measure]:
    """Of pictures decoded in bfloat16, and of pictures whose prompts were read in it, from those of float32 alone."""
    reference = _pictures(sides["float32"], latents["float32"])
    decoded = list(map(psnr, reference, _pictures(sides["bfloat16"], latents["float32"])))
    read = list(map(psnr, reference, _pictures(sides["float32"], latents["bfloat16"])))
    return [
        Measure("PSNR, decoded in bfloat16, worst picture", min(decoded), "dB", at_least=SAME_TO_THE_EYE),
        Measure("PSNR, prompts read in bfloat16, worst picture", min(read), "dB"),
        Measure("PSNR, prompts read in bfloat16, median", float(np.median(read)), "dB"),
    ]


def _durations(sides: dict[str, StableDiffusion], latents: Sequence[Tensor], num_rounds: int) -> list[Measure]:
    verbs = {"picture": _decoding, "prompt": _reading}
    return [
        Measure(f"a {verb}, {name}, threads: {torch.get_num_threads()}", 1000 * seconds / TIMED, "ms")
        for verb, call in verbs.items()
        for name, seconds in in_turns({name: call(side, latents) for name, side in sides.items()}, num_rounds).items()
    ]


def _decoding(pipeline: StableDiffusion, latents: Sequence[Tensor]) -> Callable[[], object]:
    return lambda: _pictures(pipeline, latents)


def _reading(pipeline: StableDiffusion, latents: Sequence[Tensor]) -> Callable[[], object]:
    things = THINGS[: len(latents)]
    return lambda: [pipeline.encode_prompt(f"a {thing}", negative=False) for thing in things]


def _pictures(pipeline: StableDiffusion, latents: Sequence[Tensor]) -> list[Pixels]:
    return [pixels_of(pipeline.decode_latents(one)) for one in latents]


def _loaded(spec: ModelSpec, dtype: torch.dtype) -> StableDiffusion:
    model = load_model(spec, Placement(torch.device("cpu"), dtype))
    if not isinstance(model, StableDiffusion):
        raise TypeError(f"{spec.id} is of another family than this compares.")
    return model


if __name__ == "__main__":
    main()
