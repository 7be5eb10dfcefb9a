"""What the engine says while it works."""

from typing import Any

import numpy as np
import pytest

from tests.worker.engines import alone, asked, engine_of, pictures, run
from worker.engine import Counters, Finished, Previewed, Progressed
from worker.stepwise_pipeline import StepwisePipeline


@pytest.mark.parametrize("scheduler", ["euler", "heun", "dpmpp_2m"])
def test_every_step_is_told_once_and_the_picture_last(pipeline: StepwisePipeline, scheduler: str) -> None:
    engine = engine_of(pipeline)
    engine.add("one", asked(scheduler=scheduler, num_inference_steps=5))
    *progress, finished = run(engine)
    assert progress == [Progressed("one", step) for step in range(1, 6)]
    assert isinstance(finished, Finished)
    assert finished.pixels.shape == (64, 64, 3)
    assert finished.pixels.dtype == np.uint8


def test_counters(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline, rows_per_forward=4)
    engine.add("guided", asked(num_inference_steps=3))
    engine.add("unguided", asked(num_inference_steps=2, guidance_scale=1.0))
    run(engine)
    assert engine.counters - Counters() == Counters(num_steps=5, num_forwards=3, num_rows=8)


def test_rows_of_one_image_may_lie_in_two_forwards(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    engine.add("unguided", asked(guidance_scale=1.0))
    engine.add("guided", asked(seed=9))
    finished = pictures(run(engine))
    assert engine.counters == Counters(num_steps=8, num_forwards=8, num_rows=12)
    assert np.array_equal(finished["guided"], alone(pipeline, asked(seed=9)))


def test_at_most_one_picture_is_decoded_in_a_tick(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    for index in range(3):
        engine.add(str(index), asked(num_inference_steps=1))
        engine.set_previews(str(index), True)
    while engine.has_work:
        assert sum(not isinstance(event, Progressed) for event in engine.step()) == 1


def test_previews_take_turns_and_change_nothing(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    for name in ("first", "second"):
        engine.add(name, asked(num_inference_steps=6))
        engine.set_previews(name, True)
    engine.add("unwatched", asked(num_inference_steps=6))
    events = run(engine)
    previews = [(event.generation_id, event.step) for event in events if isinstance(event, Previewed)]
    assert previews == [("first", 1), ("second", 2), ("first", 3), ("second", 4), ("first", 5)]
    finished = pictures(events)
    assert all(np.array_equal(finished[name], finished["unwatched"]) for name in ("first", "second"))


def test_a_prompt_that_is_too_long_is_told(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    fits: dict[str, Any] = {"prompt": "a" * 14}
    assert engine.add("fits", asked(**fits)) == ()
    assert engine.add("long", asked(prompt="a" * 15, negative_prompt="b" * 30)) == (
        "prompt was cut: the model read 16 of its 17 tokens.",
        "negative_prompt was cut: the model read 16 of its 32 tokens.",
    )
    assert engine.add("unguided", asked(negative_prompt="b" * 30, guidance_scale=1.0)) == ()
