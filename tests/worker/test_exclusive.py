"""A pipeline that cannot be stepped through has the device to itself, and is heard of at every step."""

import numpy as np
import pytest

from contract.errors import GenerationFailed
from tests.tiny_whole_pipelines import build_latent_consistency_model
from tests.worker.engines import CPU, Held, alone, asked, pictures, run, sizes, spec_of
from worker.engine import Engine
from worker.events import Failed, Finished, Progressed
from worker.loading import load_model
from worker.pipelines.whole import WholePipeline
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
    pytest.mark.filterwarnings("ignore:.*:FutureWarning:diffusers"),
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> WholePipeline:
    folder = tmp_path_factory.mktemp("whole")
    build_latent_consistency_model(folder)
    model = load_model(spec_of(folder, "diffusers"), CPU)
    assert isinstance(model, WholePipeline)
    return model


@pytest.fixture
def models(whole: WholePipeline, pipeline: StepwisePipeline) -> Held:
    return Held({"whole": whole, "tiny": pipeline})


@pytest.fixture
def engine(models: Held) -> Engine:
    return Engine(models, sizes(2))


def test_it_is_the_picture_that_the_pipeline_makes(engine: Engine, whole: WholePipeline, models: Held) -> None:
    request = asked(model="whole", num_inference_steps=3)
    warnings = engine.add("one", request)
    *progress, finished = run(engine)
    assert progress == [Progressed("one", step) for step in (1, 2, 3)]
    assert isinstance(finished, Finished)
    assert np.array_equal(finished.picture.pixels, whole.generate(request, lambda step: True))
    assert warnings == whole.warnings(request)
    assert models.num_users == {"whole": 0, "tiny": 0}


def test_it_waits_for_those_before_it_and_then_nobody_steps_beside_it(
    engine: Engine, pipeline: StepwisePipeline
) -> None:
    engine.add("before", asked(num_inference_steps=3))
    engine.add("whole", asked(model="whole", num_inference_steps=3))
    engine.step()
    engine.add("after", asked(seed=2, num_inference_steps=3))
    events = run(engine)
    order = [event.generation_id for event in events if isinstance(event, Finished)]
    assert order[0] == "before"
    of_whole = [index for index, event in enumerate(events) if event.generation_id == "whole"]
    assert of_whole == list(range(of_whole[0], of_whole[0] + 4))
    assert np.array_equal(pictures(events)["after"], alone(pipeline, asked(seed=2, num_inference_steps=3)))


@pytest.mark.parametrize("ticks", [0, 1, 2])
def test_it_stops_between_steps(engine: Engine, models: Held, ticks: int) -> None:
    engine.add("unwanted", asked(model="whole", num_inference_steps=3))
    engine.add("next", asked(model="whole", num_inference_steps=2, seed=2))
    for _ in range(ticks):
        engine.step()
    engine.abort("unwanted")
    assert set(pictures(run(engine))) == {"next"}
    assert models.num_users == {"whole": 0, "tiny": 0}


def test_its_failure_is_its_own(engine: Engine, models: Held) -> None:
    engine.add("culprit", asked(model="whole", width=60, height=60))
    engine.add("next", asked(model="whole", num_inference_steps=2))
    events = run(engine)
    assert [type(event.error) for event in events if isinstance(event, Failed)] == [GenerationFailed]
    assert set(pictures(events)) == {"next"}
    assert models.num_users == {"whole": 0, "tiny": 0}
