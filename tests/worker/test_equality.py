"""Our loop makes what diffusers' own pipelines make, with every scheduler."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline, TCDScheduler

from contract.catalogue import Family
from contract.request import Scheduler
from tests.worker.engines import RecordsLatents, alone, asked, cpu_pipeline, engine_of, run
from tests.worker.oracles import DIFFUSION, diffusers_scheduler, oracle, replaced_scheduler
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

STEPS = 6


def their_output(theirs: Any, guidance_scale: float, output_type: str) -> Any:
    # Of all schedulers in use here, eta means something to DDIM, where 0 is the default, and to TCD, where it is 0.3.
    return theirs(
        "a red apple",
        num_inference_steps=STEPS,
        guidance_scale=guidance_scale,
        height=64,
        width=64,
        generator=torch.Generator().manual_seed(7),
        output_type=output_type,
        eta=0.3 if isinstance(theirs.scheduler, TCDScheduler) else 0.0,
    ).images


def their_latents(theirs: Any, ours: StepwisePipeline, scheduler: Scheduler, guidance_scale: float) -> torch.Tensor:
    with replaced_scheduler(theirs, diffusers_scheduler(scheduler, theirs.scheduler.config, ours)):
        latents: torch.Tensor = their_output(theirs, guidance_scale, "latent")
    return latents


def our_latents(ours: StepwisePipeline, scheduler: Scheduler, guidance_scale: float) -> torch.Tensor:
    """The last latents, from forwards of as many rows as diffusers' have."""
    recording = RecordsLatents(ours)
    engine = engine_of(recording, 2 if guidance_scale > 1 else 1)
    engine.add("one", asked(num_inference_steps=STEPS, scheduler=scheduler, guidance_scale=guidance_scale))
    run(engine)
    return recording.decoded[0]


@pytest.fixture(scope="module", params=["epsilon_folder", "v_prediction_folder"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, StepwisePipeline]:
    folder = request.getfixturevalue(request.param)
    return oracle(StableDiffusionPipeline, folder), cpu_pipeline(folder)


@pytest.fixture(scope="module")
def xl_pair(xl_folder: Path) -> tuple[Any, StepwisePipeline]:
    family: Family = "stable_diffusion_xl"
    return oracle(StableDiffusionXLPipeline, xl_folder), cpu_pipeline(xl_folder, family)


def assert_equal(ours: torch.Tensor, theirs: torch.Tensor, scheduler: Scheduler) -> None:
    """Equal bits, but for DDIM and for TCD, which steps as DDIM does.

    Their estimate of the noise we derive from the clean latents, and diffusers from the network's output: the same
    numbers, rounded differently.
    """
    tolerance = 2e-6 if scheduler.startswith(("ddim", "tcd")) else 0.0
    assert (ours - theirs).abs().max().item() <= tolerance * theirs.abs().max().item()


@pytest.mark.parametrize("guidance_scale", [4.0, 1.0])
@pytest.mark.parametrize("scheduler", DIFFUSION)
def test_latents_equal_those_of_stable_diffusion_pipeline(
    pair: tuple[Any, StepwisePipeline], scheduler: Scheduler, guidance_scale: float
) -> None:
    theirs, ours = pair
    expected = their_latents(theirs, ours, scheduler, guidance_scale)
    assert_equal(our_latents(ours, scheduler, guidance_scale), expected, scheduler)


@pytest.mark.parametrize("guidance_scale", [4.0, 1.0])
@pytest.mark.parametrize("scheduler", ["euler", "euler_ancestral_trailing", "dpmpp_2m_karras"])
def test_latents_equal_those_of_stable_diffusion_xl_pipeline(
    xl_pair: tuple[Any, StepwisePipeline], scheduler: Scheduler, guidance_scale: float
) -> None:
    theirs, ours = xl_pair
    expected = their_latents(theirs, ours, scheduler, guidance_scale)
    assert_equal(our_latents(ours, scheduler, guidance_scale), expected, scheduler)


def test_pixels_equal_those_of_stable_diffusion_pipeline(pair: tuple[Any, StepwisePipeline]) -> None:
    assert_same_picture(*pair)


def test_pixels_equal_those_of_stable_diffusion_xl_pipeline(xl_pair: tuple[Any, StepwisePipeline]) -> None:
    assert_same_picture(*xl_pair)


def assert_same_picture(theirs: Any, ours: StepwisePipeline) -> None:
    with replaced_scheduler(theirs, EulerDiscreteScheduler.from_config(theirs.scheduler.config)):
        expected = np.asarray(their_output(theirs, 4.0, "pil")[0])
    assert np.array_equal(expected, alone(ours, asked(num_inference_steps=STEPS)))


def test_an_empty_negative_prompt_is_the_same_as_none_for_xl(xl_pair: tuple[Any, StepwisePipeline]) -> None:
    _, ours = xl_pair
    assert not ours.encode_prompt("", negative=True).prompt_embeds.any()
    assert ours.encode_prompt("", negative=False).prompt_embeds.any()
    assert ours.encode_prompt("a leaf", negative=True).prompt_embeds.any()
