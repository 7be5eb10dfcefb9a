"""Guided images in company: the bits that they would have alone, the rows and gradients that were said, fair turns."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from contract.costs import amount
from contract.errors import UnsupportedGuidance
from contract.request import CompleteRequest, Scheduler
from tests.tiny_models import build_flux
from tests.worker.engines import CPU, Held, asked, cpu_pipeline, engine_of, pictures, run, sizes
from tests.worker.mixtures import Known
from tests.worker.test_batch_independence import run_joining
from tests.worker.test_classifiers import build_latents, build_pixels, row
from worker.classifiers import PixelsClassifier, load_classifier
from worker.counters import Counters
from worker.engine import Engine
from worker.events import Failed, Finished, Progressed
from worker.images import Pixels
from worker.stepwise_pipeline import StepwisePipeline
from worker.trained_noise import DiffusionNoise

KINDS: dict[str, list[dict[str, object]]] = {
    "plain": [{"kind": "classifier_free", "scale": 4.0}],
    "off": [{"kind": "classifier_free", "scale": 1.0}],
    "rescaled": [{"kind": "classifier_free", "scale": 6.0, "rescale": 0.7}],
    "in an interval": [{"kind": "classifier_free", "scale": 5.0, "interval": [0.1, 0.6]}],
    "renoised": [{"kind": "cfg_pp", "scale": 0.6}],
    "projected": [{"kind": "adaptive_projected", "scale": 7.0, "norm_threshold": 5.0}],
    "perturbed": [{"kind": "perturbed_attention", "scale": 3.0}],
    "perturbed and guided": [
        {"kind": "perturbed_attention", "scale": 2.0, "interval": [0.0, 0.5]},
        {"kind": "classifier_free", "scale": 3.0},
    ],
    "by classifier": [{"kind": "classifier", "classifier": "latents", "label": "dog", "scale": 3.0}],
    "by two classifiers": [
        {"kind": "classifier_free", "scale": 3.0},
        {"kind": "classifier", "classifier": "latents", "label": "dog", "scale": 3.0},
        {"kind": "classifier", "classifier": "latents", "label": "cat", "scale": 1.0, "interval": [0.3, 1.0]},
    ],
    "universal": [{"kind": "universal", "classifier": "pixels", "label": "cat", "scale": 2.0, "recurrence": 2}],
    "everything": [
        {"kind": "universal", "classifier": "pixels", "label": "cat", "scale": 1.0, "recurrence": 1},
        {"kind": "classifier", "classifier": "latents", "label": "cat", "scale": 1.0},
        {"kind": "adaptive_projected", "scale": 3.0},
        {"kind": "perturbed_attention", "scale": 1.0},
    ],
}
STEPS, STEPS_OFFSET = 6, 1
SCHEDULERS: tuple[Scheduler, ...] = ("ddim", "euler", "euler_ancestral")


@pytest.fixture(scope="module")
def classifiers(tmp_path_factory: pytest.TempPathFactory) -> Known:
    folder = tmp_path_factory.mktemp("classifiers")
    build_latents(folder / "latents")
    build_pixels(folder / "pixels")
    return Known({kind: load_classifier(row(folder / kind, kind), CPU) for kind in ("latents", "pixels")})


def guided(name: str, **changes: object) -> CompleteRequest:
    return asked(guidance_scale=None, guidance=KINDS[name], num_inference_steps=3, **changes)


def made_alone(
    pipeline: StepwisePipeline, classifiers: Known, request: CompleteRequest, *buckets: int
) -> tuple[Pixels, Counters]:
    engine = Engine(Held({"tiny": pipeline}), sizes(*buckets), classifiers=classifiers)
    engine.add("alone", request)
    return pictures(run(engine))["alone"], engine.counters


@pytest.mark.parametrize("mix", range(4))
def test_any_mix_equals_each_request_alone(
    pipeline: StepwisePipeline, other_pipeline: StepwisePipeline, classifiers: Known, mix: int
) -> None:
    draw = random.Random(mix)
    names = draw.sample(list(KINDS), len(KINDS))
    requests = [
        guided(name, seed=index, scheduler=draw.choice(SCHEDULERS), model=draw.choice(["tiny", "tiny", "other"]))
        for index, name in enumerate(names)
    ]
    pipelines = {"tiny": pipeline, "other": other_pipeline}
    together = pictures(run_joining(Engine(Held(pipelines), sizes(4), classifiers=classifiers), requests, draw))
    assert len(together) == len(requests)
    for index, request in enumerate(requests):
        expected, _ = made_alone(pipelines[request.model], classifiers, request.model_copy(update={"model": "tiny"}), 4)
        assert np.array_equal(together[str(index)], expected), request.guidance


def test_every_kind_makes_a_picture_of_its_own(pipeline: StepwisePipeline, classifiers: Known) -> None:
    found = [made_alone(pipeline, classifiers, guided(name, scheduler="ddim"), 4)[0] for name in KINDS]
    assert len({picture.tobytes() for picture in found}) == len(KINDS)


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_costs_what_its_request_says(pipeline: StepwisePipeline, classifiers: Known, name: str) -> None:
    request = guided(name, scheduler="ddim")
    _, done = made_alone(pipeline, classifiers, request, 1)
    said = amount(request)
    if any(one.get("interval") for one in KINDS[name]):
        assert 3 < done.num_rows < said.num_rows or said.num_rows == 6
    else:
        assert done.num_rows == said.num_rows
    assert done.num_steps == 3


@pytest.mark.parametrize(
    ("name", "interval", "always"), [("in an interval", (0.1, 0.6), 1), ("perturbed and guided", (0.0, 0.5), 2)]
)
def test_outside_of_its_interval_a_kind_has_no_row(
    pipeline: StepwisePipeline, classifiers: Known, name: str, interval: tuple[float, float], always: int
) -> None:
    """The way done is the angle between signal and noise, whose cosine is the share of noise."""
    noise = pipeline.trained_noise
    assert isinstance(noise, DiffusionNoise)
    request = guided(name, scheduler="ddim").model_copy(update={"num_inference_steps": STEPS})
    timesteps = [STEPS_OFFSET + index * (noise.num_train_timesteps // STEPS) for index in range(STEPS)]
    done = [2 / math.pi * math.asin(math.sqrt(noise.alphas_cumprod[timestep])) for timestep in timesteps]
    inside = sum(interval[0] <= here < interval[1] for here in done)
    assert 0 < inside < STEPS
    assert made_alone(pipeline, classifiers, request, 1)[1].num_rows == STEPS * always + inside


@pytest.mark.parametrize("rows_per_forward", [1, 2, 3])
def test_an_image_may_have_more_rows_than_a_forward(
    pipeline: StepwisePipeline, classifiers: Known, rows_per_forward: int
) -> None:
    request = guided("perturbed and guided", seed=1)
    picture, done = made_alone(pipeline, classifiers, request, rows_per_forward)
    assert picture.shape == (64, 64, 3)
    assert done.num_rows > 6


def test_one_gradient_a_tick_and_the_others_go_on(pipeline: StepwisePipeline, classifiers: Known) -> None:
    """Three images that need gradients take turns; one that needs none is not held up by any of them."""
    engine = Engine(Held({"tiny": pipeline}), sizes(4), classifiers=classifiers)
    for seed in range(3):
        engine.add(f"slow {seed}", guided("universal", seed=seed, scheduler="ddim"))
    engine.add("quick", guided("plain", seed=9))
    engine.step()  # The certificate.
    told = [event for _ in range(5) for event in engine.step()]
    assert [event.step for event in told if isinstance(event, Progressed) and event.generation_id == "quick"] == [
        1,
        2,
        3,
    ]
    assert any(isinstance(event, Finished) and event.generation_id == "quick" for event in told)
    assert sum(isinstance(event, Finished) for event in run(engine)) == 3


def test_the_seconds_of_a_gradient_are_its_lane_s(pipeline: StepwisePipeline, classifiers: Known) -> None:
    engine = Engine(Held({"tiny": pipeline}), sizes(4), classifiers=classifiers)
    engine.add("one", guided("universal", scheduler="ddim"))
    engine.step()
    (lane,) = engine.lanes
    before = lane.deficit
    engine.step()
    assert lane.deficit < before - lane.next_seconds


def test_what_goes_wrong_with_one_gradient_ends_that_image_only(pipeline: StepwisePipeline, classifiers: Known) -> None:
    pixels = classifiers.load("pixels", "tiny")
    assert isinstance(pixels, PixelsClassifier)
    broken = Known({**classifiers.classifiers, "pixels": replace(pixels, network=torch.nn.Identity())})
    engine = Engine(Held({"tiny": pipeline}), sizes(4), classifiers=broken)
    engine.add("broken", guided("universal", scheduler="ddim"))
    engine.add("nudged", guided("by classifier", scheduler="ddim"))
    events = run(engine)
    assert {event.generation_id for event in events if isinstance(event, Failed)} == {"broken"}
    expected, _ = made_alone(pipeline, classifiers, guided("by classifier", scheduler="ddim"), 4)
    assert np.array_equal(pictures(events)["nudged"], expected)


def test_a_network_that_takes_the_scale_as_an_input_takes_nothing_else(flux_guided: StepwisePipeline) -> None:
    engine = engine_of(flux_guided, 1)
    engine.add("told", asked(scheduler="flow_match_euler", guidance_scale=3.5))
    for name in ("renoised", "rescaled", "perturbed"):
        with pytest.raises(UnsupportedGuidance) as raised:
            engine.add(name, guided(name, scheduler="flow_match_euler"))
        assert raised.value.field == "guidance"
    assert len(pictures(run(engine))) == 1


@pytest.fixture(scope="module")
def flux_guided(tmp_path_factory: pytest.TempPathFactory) -> StepwisePipeline:
    folder = tmp_path_factory.mktemp("guided_flux")
    build_flux(folder, guidance_embeds=True)
    return cpu_pipeline(folder, "flux")
