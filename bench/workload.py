"""What the engine's benchmarks ask for: mixed requests that arrive at random times, the same for the same seed."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from contract.catalogue import ModelSpec
from contract.request import CompleteRequest, GenerationRequest, Scheduler

THINGS = ("red apple", "fox", "cat", "rocket", "house", "blue car", "panda", "guitar", "sunflower", "penguin", "castle")
GUIDANCE_SCALES = (2.0, 2.5, 3.0, 4.0, 5.0)
GUIDED_SHARE = 0.7
SCHEDULERS: Final[tuple[Scheduler, ...]] = ("ddim", "euler", "dpmpp_2m")


class Scale(NamedTuple):
    """How large the work is: pixels along each side, the step counts that are mixed, how many jobs a run has, and how
    often what is compared takes turns, as the machine is not equally fast all the time."""

    size: int
    steps: tuple[int, ...]
    num_jobs: int
    num_turns: int = 1


FULL = Scale(size=128, steps=(8, 20, 30, 50), num_jobs=90, num_turns=5)
SHORT = Scale(size=64, steps=(2, 4, 6, 8), num_jobs=24)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request and when it comes, in seconds from the start of a run."""

    at: float
    request: CompleteRequest


def mixed(spec: ModelSpec, scale: Scale, source: random.Random) -> CompleteRequest:
    """A request of the mix."""
    guided = source.random() < GUIDED_SHARE
    return spec.complete(
        GenerationRequest(
            prompt=f"a {source.choice(THINGS)}",
            height=scale.size,
            width=scale.size,
            num_inference_steps=source.choice(scale.steps),
            guidance_scale=source.choice(GUIDANCE_SCALES) if guided else 1.0,
            scheduler=source.choice(SCHEDULERS),
            seed=source.randrange(2**32),
        )
    )


def uniform(spec: ModelSpec, scale: Scale, count: int) -> list[CompleteRequest]:
    """Requests that differ in prompt and seed alone: what a plain batch of a diffusers pipeline can take."""
    asked = [
        GenerationRequest(
            prompt=f"a {THINGS[seed % len(THINGS)]}",
            height=scale.size,
            width=scale.size,
            num_inference_steps=scale.steps[1],
            seed=seed,
        )
        for seed in range(count)
    ]
    return [spec.complete(request) for request in asked]


def poisson(spec: ModelSpec, scale: Scale, per_second: float, seed: int) -> list[Arrival]:
    """Arrivals of a Poisson process, which come whether or not anybody keeps up with them."""
    source = random.Random(seed)
    arrivals, now = [], 0.0
    for _ in range(scale.num_jobs):
        now += source.expovariate(per_second)
        arrivals.append(Arrival(now, mixed(spec, scale, source)))
    return arrivals


def at_once(requests: Sequence[CompleteRequest]) -> list[Arrival]:
    """Everything at the start: a queue that is never empty."""
    return [Arrival(0.0, request) for request in requests]
