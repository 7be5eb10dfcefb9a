"""A picture has the same bits whoever else is in flight."""

import random
from itertools import pairwise

import numpy as np
import pytest

from contract.request import CompleteRequest, Scheduler
from tests.worker.engines import Held, alone, asked, pictures, sizes
from tests.worker.oracles import DIFFUSION
from worker.engine import Engine
from worker.events import Event
from worker.stepwise_pipeline import StepwisePipeline

MIXES = 6


def random_request(draw: random.Random) -> CompleteRequest:
    return asked(
        model=draw.choice(["tiny", "tiny", "other"]),
        prompt=draw.choice(["a red apple", "a blue fox", "rain"]),
        negative_prompt=draw.choice(["", "a leaf"]),
        width=draw.choice([64, 64, 96]),
        num_inference_steps=draw.randint(1, 7),
        guidance_scale=draw.choice([1.0, 2.5, 7.0]),
        scheduler=draw.choice(DIFFUSION),
        seed=draw.randrange(10**6),
    )


def run_joining(engine: Engine, requests: list[CompleteRequest], draw: random.Random) -> list[Event]:
    """Each request joins at a tick of its own."""
    waiting = sorted((draw.randint(0, 8), index) for index in range(len(requests)))
    events: list[Event] = []
    tick = 0
    while waiting or engine.has_work:
        while waiting and waiting[0][0] <= tick:
            _, index = waiting.pop(0)
            engine.add(str(index), requests[index])
        events += engine.step()
        tick += 1
    return events


@pytest.mark.parametrize("rows_per_forward", [2, 4])
@pytest.mark.parametrize("mix", range(MIXES))
def test_any_mix_equals_each_request_alone(
    pipeline: StepwisePipeline, other_pipeline: StepwisePipeline, mix: int, rows_per_forward: int
) -> None:
    draw = random.Random(mix)
    pipelines = {"tiny": pipeline, "other": other_pipeline}
    requests = [random_request(draw) for _ in range(5)]
    engine = Engine(Held(pipelines), sizes(rows_per_forward))
    together = pictures(run_joining(engine, requests, draw))
    assert len(together) == len(requests)
    for index, request in enumerate(requests):
        expected = alone(pipelines[request.model], request.model_copy(update={"model": "tiny"}), rows_per_forward)
        assert np.array_equal(together[str(index)], expected), request


def test_the_seed_and_nothing_else_makes_the_noise(pipeline: StepwisePipeline) -> None:
    ancestral = [alone(pipeline, asked(scheduler="euler_ancestral", seed=seed)) for seed in (1, 1, 2)]
    assert [np.array_equal(*pair) for pair in pairwise(ancestral)] == [True, False]


@pytest.mark.parametrize("scheduler", DIFFUSION)
def test_every_scheduler_in_any_order_of_joining(pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    draw = random.Random(scheduler)
    requests = [
        asked(scheduler=scheduler, guidance_scale=scale, num_inference_steps=draw.randint(2, 5), seed=seed)
        for seed, scale in enumerate([1.0, 4.0, 1.0, 7.0])
    ]
    requests.append(asked(scheduler="euler", num_inference_steps=4, seed=9))
    engine = Engine(Held({"tiny": pipeline}), sizes(4))
    together = pictures(run_joining(engine, requests, draw))
    for index, request in enumerate(requests):
        assert np.array_equal(together[str(index)], alone(pipeline, request, 4)), request
