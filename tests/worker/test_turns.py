"""Lanes share the device by seconds, and within a lane the most urgent images come first, and none waits for ever."""

import random
from collections import Counter

import pytest
import torch

from tests.worker.engines import SETTING, asked, engine_of, run
from worker.batcher import PATIENCE, deadline, select
from worker.certificate import Certificate, Shape
from worker.events import Finished
from worker.generation import Generation, start
from worker.lane import Lane, LaneKey
from worker.pace import Pace
from worker.prompt_cache import PromptCache
from worker.shares import Shares
from worker.stepwise_pipeline import StepwisePipeline
from worker.turns import Turns

SHAPE = Shape((4, 8, 8), (16, 32), None)


def lane(name: str, seconds: float) -> Lane:
    key = LaneKey(name, 64, 64, SHAPE)
    made = Lane(key, iter([Certificate(name, 64, 64, SETTING, (1,), (seconds,))]), torch.device("cpu"))
    made.measure()
    return made


def test_lanes_get_equal_seconds_whatever_a_turn_costs() -> None:
    lanes = [lane("cheap", 0.1), lane("dear", 0.4), lane("middling", 0.2)]
    turns = Turns()
    spent: Counter[str] = Counter()
    for _ in range(700):
        chosen = turns.next(dict.fromkeys(lanes, 1.0))
        spent[chosen.key.model] += chosen.next_seconds
    assert max(spent.values()) - min(spent.values()) <= 2 * 0.4 + 1e-6


def test_a_lane_saves_nothing_up_while_it_has_no_work() -> None:
    busy, idle = lane("busy", 0.1), lane("idle", 0.1)
    turns = Turns()
    for _ in range(50):
        assert turns.next({busy: 1.0}) is busy
    first = [turns.next({busy: 1.0, idle: 1.0}).key.model for _ in range(8)]
    assert Counter(first) == {"busy": 4, "idle": 4}


@pytest.mark.parametrize("seed", range(5))
def test_no_lane_starves_whichever_have_work(seed: int) -> None:
    draw = random.Random(seed)
    lanes = [lane(str(index), draw.choice([0.05, 0.1, 1.0])) for index in range(4)]
    turns = Turns()
    waited: Counter[str] = Counter()
    for _ in range(500):
        chosen = turns.next(dict.fromkeys(lanes, 1.0))
        waited.update(one.key.model for one in lanes)
        waited[chosen.key.model] = 0
        assert max(waited.values()) <= 3 * (1.0 / 0.05 + 1)


def images(pipeline: StepwisePipeline, *steps_and_scales: tuple[int, float]) -> list[Generation]:
    prompts = PromptCache()
    made = []
    for index, (steps, scale) in enumerate(steps_and_scales):
        request = asked(num_inference_steps=steps, guidance_scale=scale, seed=index)
        made.append(start(str(index), request, pipeline, prompts))
    return made


def test_short_images_are_due_before_long_ones_that_came_with_them(pipeline: StepwisePipeline) -> None:
    long, short = images(pipeline, (50, 4.0), (8, 4.0))
    pace = Pace({2: 0.1})
    assert deadline(short, pace) < deadline(long, pace)
    assert select([long, short], pace, Shares()) == [short]


def test_an_image_passed_over_too_often_comes_first(pipeline: StepwisePipeline) -> None:
    (long,) = images(pipeline, (50, 4.0))
    pace = Pace({2: 0.1})
    turns = 0
    while long not in select([long, *images(pipeline, (1, 4.0))], pace, Shares()):
        turns += 1
    assert turns == PATIENCE


def test_gaps_are_filled_by_who_fits(pipeline: StepwisePipeline) -> None:
    first, second, third = images(pipeline, (4, 4.0), (5, 4.0), (20, 1.0))
    assert select([first, second, third], Pace({1: 1.0, 2: 1.1, 3: 1.2}), Shares()) == [first, third]


def test_the_most_urgent_image_is_always_among_them(pipeline: StepwisePipeline) -> None:
    guided, unguided = images(pipeline, (4, 4.0), (50, 1.0))
    assert select([guided, unguided], Pace({1: 0.1, 2: 0.9}), Shares()) == [guided]
    assert select([guided, unguided], Pace({1: 0.1}), Shares()) == [guided]


@pytest.mark.parametrize("seed", range(4))
def test_every_image_ends_whatever_comes_later(pipeline: StepwisePipeline, seed: int) -> None:
    draw = random.Random(seed)
    engine = engine_of(pipeline, 1, 2)
    engine.add("patient", asked(num_inference_steps=9, seed=1000))
    finished, index = False, 0
    while not finished:
        index += 1
        engine.add(str(index), asked(num_inference_steps=draw.randint(1, 2), seed=index))
        finished = any(isinstance(event, Finished) and event.generation_id == "patient" for event in engine.step())
        assert index < 9 * (PATIENCE + 2) * 2
    run(engine)
