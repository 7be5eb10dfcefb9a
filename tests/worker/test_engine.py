"""What the engine says while it works."""

from typing import Any

import numpy as np
import pytest

from tests.worker.engines import Held, alone, asked, engine_of, pictures, run, sizes
from worker.counters import Counters
from worker.engine import Engine
from worker.events import Finished, Previewed, Progressed
from worker.result_cache import ResultCache
from worker.stepwise_pipeline import StepwisePipeline


@pytest.mark.parametrize("scheduler", ["euler", "heun", "dpmpp_2m"])
def test_every_step_is_told_once_and_the_picture_last(pipeline: StepwisePipeline, scheduler: str) -> None:
    engine = engine_of(pipeline)
    engine.add("one", asked(scheduler=scheduler, num_inference_steps=5))
    *progress, finished = run(engine)
    assert progress == [Progressed("one", step) for step in range(1, 6)]
    assert isinstance(finished, Finished)
    assert finished.picture.pixels.shape == (64, 64, 3)
    assert finished.picture.pixels.dtype == np.uint8


def test_counters(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline, 4)
    engine.add("guided", asked(num_inference_steps=3))
    engine.add("unguided", asked(num_inference_steps=2, guidance_scale=1.0))
    run(engine)
    done = engine.counters - Counters()
    assert (done.num_steps, done.num_forwards, done.num_rows) == (5, 3, 8)
    assert 0 < done.forward_seconds < done.tick_seconds


def test_rows_of_one_image_may_lie_in_two_forwards(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline, 1)
    engine.add("unguided", asked(guidance_scale=1.0))
    engine.add("guided", asked(seed=9))
    finished = pictures(run(engine))
    assert (engine.counters.num_steps, engine.counters.num_rows) == (8, 12)
    assert np.array_equal(finished["guided"], alone(pipeline, asked(seed=9), 1))


def test_a_forward_is_no_larger_than_what_fills_it_best(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline, 1, 2, 4)
    for index in range(5):
        engine.add(str(index), asked(seed=index, guidance_scale=1.0, num_inference_steps=1))
    run(engine)
    assert (engine.counters.num_forwards, engine.counters.num_rows) == (2, 5)


def test_equal_requests_are_made_once(pipeline: StepwisePipeline) -> None:
    models = Held({"tiny": pipeline})
    engine = Engine(models, sizes(2))
    engine.add("first", asked())
    engine.step()
    before = engine.step()
    engine.add("second", asked(metadata={"order": "42"}, output_format="webp"))
    engine.set_previews("second", True)
    after = run(engine)
    assert engine.counters.num_steps == 4
    assert [event for event in before if event.generation_id == "second"] == []
    assert [event for event in after if isinstance(event, Progressed) and event.generation_id == "second"] == [
        Progressed("second", step) for step in (2, 3, 4)
    ]
    assert {event.generation_id for event in after if isinstance(event, Previewed)} == {"second"}
    finished = pictures(after)
    assert np.array_equal(finished["first"], finished["second"])
    assert models.num_users == {"tiny": 0}


@pytest.mark.parametrize("leaving", ["first", "second"])
def test_who_leaves_a_shared_image_leaves_it_to_the_other(pipeline: StepwisePipeline, leaving: str) -> None:
    models = Held({"tiny": pipeline})
    engine = Engine(models, sizes(2))
    engine.add("first", asked())
    engine.add("second", asked())
    engine.step()
    engine.abort(leaving)
    (remaining,) = {"first", "second"} - {leaving}
    assert set(pictures(run(engine))) == {remaining}
    assert models.num_users == {"tiny": 0}


def test_what_is_remembered_is_not_made_again(pipeline: StepwisePipeline) -> None:
    models = Held({"tiny": pipeline})
    engine = Engine(models, sizes(2), results=ResultCache(64 * 64 * 3))
    engine.add("first", asked())
    first = pictures(run(engine))["first"]
    engine.add("again", asked(output_format="jpeg"))
    assert np.array_equal(pictures(run(engine))["again"], first)
    assert engine.counters.num_steps == 4
    engine.admit(engine.prepare("fresh", asked()), use_cache=False)
    assert np.array_equal(pictures(run(engine))["fresh"], first)
    assert engine.counters.num_steps == 8
    engine.add("aborted", asked())
    engine.abort("aborted")
    assert not engine.has_work
    assert models.num_users == {"tiny": 0}


def test_nothing_is_remembered_unless_asked_for(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    for name in ("first", "second"):
        engine.add(name, asked())
        run(engine)
    assert engine.counters.num_steps == 8


def test_at_most_one_picture_is_decoded_in_a_tick(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    for index in range(3):
        engine.add(str(index), asked(num_inference_steps=2, seed=index))
        engine.set_previews(str(index), True)
    while engine.has_work:
        assert sum(not isinstance(event, Progressed) for event in engine.step()) <= 1


def test_previews_take_turns_and_change_nothing(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline, 6)
    for seed, name in enumerate(("first", "second")):
        engine.add(name, asked(num_inference_steps=6, seed=seed))
        engine.set_previews(name, True)
    engine.add("unwatched", asked(num_inference_steps=6))
    events = run(engine)
    previews = [(event.generation_id, event.step) for event in events if isinstance(event, Previewed)]
    assert previews == [("first", 1), ("second", 2), ("first", 3), ("second", 4), ("first", 5)]
    finished = pictures(events)
    for seed, name in enumerate(("first", "second")):
        assert np.array_equal(finished[name], alone(pipeline, asked(num_inference_steps=6, seed=seed), 6))


def test_a_prompt_that_is_too_long_is_told(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    fits: dict[str, Any] = {"prompt": "a" * 14}
    assert engine.add("fits", asked(**fits)) == ()
    assert engine.add("long", asked(prompt="a" * 15, negative_prompt="b" * 30)) == (
        "prompt was cut: the model read 16 of its 17 tokens.",
        "negative_prompt was cut: the model read 16 of its 32 tokens.",
    )
    assert engine.add("unguided", asked(negative_prompt="b" * 30, guidance_scale=1.0)) == ()
