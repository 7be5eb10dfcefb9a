"""A run that is changed on the way and recorded: the same picture, and records of what was done."""

import numpy as np
import pytest

from contract.request import CompleteRequest
from tests.worker.engines import alone, asked, engine_of, pictures, run
from tests.worker.test_interventions import KINDS, changed
from tests.worker.test_recording import add, recording, written
from worker.stepwise_pipeline import StepwisePipeline


@pytest.mark.parametrize("name", KINDS)
def test_a_changed_run_is_recorded_without_a_trace_in_its_picture(pipeline: StepwisePipeline, name: str) -> None:
    request: CompleteRequest = changed(*KINDS[name])
    engine = engine_of(pipeline, 4)
    add(engine, "one", request)
    engine.add("plain", asked(seed=8))
    events = run(engine)
    assert np.array_equal(pictures(events)["one"], alone(pipeline, request, 4))
    assert np.array_equal(pictures(events)["plain"], alone(pipeline, asked(seed=8), 4))
    document, _ = written(recording(events))
    assert [step.step for step in document.steps] == list(range(request.num_steps))
    assert [step.guidance is not None for step in document.steps] == [
        moment.guidance_scale != 1.0 for moment in request.moments
    ]
