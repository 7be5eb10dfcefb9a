"""An image may be given up at any time, and the others do not notice."""

import numpy as np
import pytest

from tests.worker.engines import alone, asked, engine_of, pictures, run
from worker.stepwise_pipeline import StepwisePipeline

STEPS = 4


@pytest.mark.parametrize("ticks", range(STEPS + 2))
def test_abort_after_any_tick(pipeline: StepwisePipeline, ticks: int) -> None:
    engine = engine_of(pipeline)
    engine.add("first", asked(num_inference_steps=STEPS, seed=1))
    engine.add("unwanted", asked(num_inference_steps=STEPS, seed=2))
    engine.add("last", asked(num_inference_steps=STEPS, seed=3, guidance_scale=1.0))
    before = [event for _ in range(ticks) for event in engine.step()]
    engine.abort("unwanted")
    after = run(engine)
    finished = pictures([*before, *after])
    assert all(event.generation_id != "unwanted" for event in after)
    assert np.array_equal(finished["first"], alone(pipeline, asked(num_inference_steps=STEPS, seed=1)))
    expected = alone(pipeline, asked(num_inference_steps=STEPS, seed=3, guidance_scale=1.0))
    assert np.array_equal(finished["last"], expected)


def test_abort_of_nobody(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    engine.abort("unknown")
    engine.set_previews("unknown", True)
    assert not engine.has_work
    assert engine.step() == []


def test_an_aborted_id_may_be_used_again(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    for _ in range(50):
        engine.add("again", asked())
        engine.step()
        engine.abort("again")
    engine.add("again", asked())
    assert np.array_equal(pictures(run(engine))["again"], alone(pipeline, asked()))
