"""What goes wrong with one image ends that image, with its own error, and leaves its neighbours' bits alone."""

import numpy as np
import pytest

from contract.errors import GenerationFailed, LimitExceeded, NonFiniteLatents, OutOfMemory, SafelightError
from tests.worker.engines import Wrapped, alone, asked, engine_of, pictures, run
from tests.worker.misbehaving.culprits import CULPRIT
from tests.worker.misbehaving.raises_in_decode import RaisesInDecode
from tests.worker.misbehaving.raises_in_denoise import RaisesInDenoise
from tests.worker.misbehaving.raises_in_encode import RaisesInEncode
from tests.worker.misbehaving.returns_nan import ReturnsNan
from worker.events import Event, Failed
from worker.stepwise_pipeline import StepwisePipeline

NEIGHBOURS = {
    "guided": asked(seed=1, width=96),
    "unguided": asked(seed=2, width=96, guidance_scale=1.0, scheduler="heun"),
    "other": asked(seed=3, width=96, scheduler="dpmpp_2m", num_inference_steps=6),
}


def failures(events: list[Event]) -> dict[str, SafelightError]:
    return {event.generation_id: event.error for event in events if isinstance(event, Failed)}


@pytest.mark.parametrize(("guidance_scale", "rows_per_forward"), [(1.0, 2), (3.0, 2), (1.0, 4), (3.0, 4)])
@pytest.mark.parametrize(
    ("misbehaving", "error"),
    [(ReturnsNan, NonFiniteLatents), (RaisesInDenoise, GenerationFailed), (RaisesInDecode, OutOfMemory)],
)
def test_only_the_culprit_fails(
    pipeline: StepwisePipeline,
    misbehaving: type[Wrapped],
    error: type[SafelightError],
    guidance_scale: float,
    rows_per_forward: int,
) -> None:
    engine = engine_of(misbehaving(pipeline), rows_per_forward)
    engine.add("unguided", NEIGHBOURS["unguided"])
    width = 64 if misbehaving is RaisesInDecode else 96
    engine.add("culprit", asked(prompt=CULPRIT, width=width, guidance_scale=guidance_scale))
    engine.add("guided", NEIGHBOURS["guided"])
    engine.add("other", NEIGHBOURS["other"])
    events = run(engine)
    assert {name: type(one) for name, one in failures(events).items()} == {"culprit": error}
    finished = pictures(events)
    for name, request in NEIGHBOURS.items():
        assert np.array_equal(finished[name], alone(pipeline, request, rows_per_forward))


def test_a_preview_that_fails_ends_the_image_too(pipeline: StepwisePipeline) -> None:
    engine = engine_of(RaisesInDecode(pipeline))
    engine.add("culprit", asked())
    engine.set_previews("culprit", True)
    assert {name: type(one) for name, one in failures(run(engine)).items()} == {"culprit": OutOfMemory}


def test_an_image_that_cannot_start_is_not_in_flight(pipeline: StepwisePipeline) -> None:
    engine = engine_of(RaisesInEncode(pipeline))
    with pytest.raises(GenerationFailed):
        engine.add("culprit", asked(prompt=CULPRIT))
    with pytest.raises(LimitExceeded):
        engine.add("odd", asked(width=63))
    assert not engine.has_work
