"""A schedule from the middle on makes what diffusers' image-to-image pipelines make of the same image."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    FlowMatchEulerDiscreteScheduler,
    StableDiffusion3Img2ImgPipeline,
    StableDiffusionImg2ImgPipeline,
    TCDScheduler,
)
from torch import Tensor

from contract.request import Scheduler
from tests.worker.engines import cpu_pipeline
from tests.worker.oracles import MAKERS, diffusers_scheduler, oracle, replaced_scheduler
from worker.denoiser import DENOISERS, scale_model_input
from worker.guidance import classifier_free
from worker.latents import draw_noise
from worker.rules import Point, columns
from worker.samplers import SAMPLERS
from worker.schedules import Evaluation, Schedule
from worker.sigmas import Level, noised
from worker.stepwise_pipeline import Conditioning, StepwisePipeline
from worker.trained_noise import read_trained_noise

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
]

STEPS = 6
IMAGE = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
CPU_DEVICE = torch.device("cpu")


@pytest.fixture(scope="module", params=["epsilon_folder", "v_prediction_folder"])
def pair(request: pytest.FixtureRequest) -> tuple[Any, StepwisePipeline]:
    folder: Path = request.getfixturevalue(request.param)
    return oracle(StableDiffusionImg2ImgPipeline, folder), cpu_pipeline(folder)


def their_latents(theirs: Any, strength: float) -> Tensor:
    latents: Tensor = theirs(
        "a red apple",
        image=IMAGE,
        strength=strength,
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(7),
        output_type="latent",
        eta=0.3 if isinstance(theirs.scheduler, TCDScheduler) else 0.0,
    ).images
    return latents


def our_latents(ours: StepwisePipeline, schedule: Schedule) -> Tensor:
    embeds = [ours.encode_prompt("", negative=True), ours.encode_prompt("a red apple", negative=False)]
    conditioning = Conditioning(torch.cat([row.prompt_embeds for row in embeds]), None, torch.tensor([4.0, 4.0]))
    generator = torch.Generator().manual_seed(7)
    latents = noised(IMAGE, draw_noise((1, 4, 8, 8), generator, CPU_DEVICE), schedule.evaluations[0].here)
    memory: tuple[Tensor, ...] = ()
    for evaluation in schedule.evaluations:
        denoised = denoise(ours, latents, evaluation, conditioning)
        noise = draw_noise((1, 4, 8, 8), generator, CPU_DEVICE) if evaluation.needs_noise else None
        coefficients = columns([evaluation.coefficients], CPU_DEVICE)
        latents, memory = evaluation.rule(Point(latents, denoised, coefficients, memory, noise))
    return latents


def denoise(ours: StepwisePipeline, latents: Tensor, evaluation: Evaluation, conditioning: Conditioning) -> Tensor:
    here = Level(*columns([evaluation.here], CPU_DEVICE))
    rows = torch.cat([scale_model_input(latents, here)] * 2)
    outputs = ours.denoise(rows, evaluation.timestep.repeat(2), conditioning).split(1)
    return DENOISERS[ours.trained_noise.output](classifier_free(*outputs, 4.0), latents, here)


@pytest.mark.parametrize("strength", [0.75, 0.5, 0.35, 0.2])
@pytest.mark.parametrize("scheduler", [*MAKERS, "euler_karras", "unipc_trailing"])
def test_latents_equal_those_of_the_image_to_image_pipeline(
    pair: tuple[Any, StepwisePipeline], scheduler: Scheduler, strength: float
) -> None:
    """To the bit, but for DDIM and TCD, whose estimate of the noise is rounded differently."""
    theirs, ours = pair
    with replaced_scheduler(theirs, diffusers_scheduler(scheduler, theirs.scheduler.config, ours)):
        expected = their_latents(theirs, strength)
    schedule = SAMPLERS[scheduler].schedule_for(ours.trained_noise, STEPS, 16).from_strength(strength)
    with torch.inference_mode():
        difference = (our_latents(ours, schedule) - expected).abs().max().item()
    tolerance = 2e-6 if scheduler.startswith(("ddim", "tcd")) else 0.0
    assert difference <= tolerance * expected.abs().max().item()


@pytest.mark.parametrize("scheduler", ["euler", "heun", "dpmpp_2m", "unipc"])
def test_steps_count_from_one_to_those_really_run(scheduler: Scheduler) -> None:
    whole = SAMPLERS[scheduler].schedule_for(read_trained_noise({"beta_schedule": "scaled_linear"}), 10, 16)
    part = whole.from_strength(0.4)
    assert next(evaluation.step for evaluation in part.evaluations if evaluation.step) == 1
    assert part.evaluations[-1].step == 4
    assert part.evaluations[-1].timestep == whole.evaluations[-1].timestep


def test_an_image_is_at_least_one_step_away() -> None:
    whole = SAMPLERS["euler"].schedule_for(read_trained_noise({"beta_schedule": "scaled_linear"}), 10, 16)
    assert [evaluation.step for evaluation in whole.from_strength(0.0).evaluations] == [1]


SD_MODELS = ("vae", "text_encoder", "tokenizer", "unet", "safety_checker", "feature_extractor")
SD3_MODELS = (
    *("transformer", "vae", "text_encoder", "tokenizer"),
    *("text_encoder_2", "tokenizer_2", "text_encoder_3", "tokenizer_3"),
)
DDIM = {"beta_schedule": "scaled_linear", "clip_sample": False, "steps_offset": 1}
FLOW = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0}


def diffusion_pipeline() -> Any:
    models = dict.fromkeys(SD_MODELS)
    return StableDiffusionImg2ImgPipeline(
        scheduler=DDIMScheduler.from_config(DDIM), requires_safety_checker=False, **models
    )


def flow_pipeline() -> Any:
    scheduler = FlowMatchEulerDiscreteScheduler.from_config(FLOW)
    return StableDiffusion3Img2ImgPipeline(scheduler=scheduler, **dict.fromkeys(SD3_MODELS))


@pytest.mark.parametrize(
    ("theirs", "config", "scheduler"), [(diffusion_pipeline, DDIM, "ddim"), (flow_pipeline, FLOW, "flow_match_euler")]
)
@pytest.mark.parametrize("count", [1, 2, 5, 10, 28])
def test_as_many_steps_as_theirs(theirs: Any, config: dict[str, Any], scheduler: Scheduler, count: int) -> None:
    """Stable Diffusion rounds the steps that are left down, and Stable Diffusion 3 rounds them up."""
    pipeline, noise = theirs(), read_trained_noise(config)
    pipeline.scheduler.set_timesteps(count)
    for percent in range(101):
        timesteps, _ = pipeline.get_timesteps(count, percent / 100, "cpu")
        part = SAMPLERS[scheduler].schedule_for(noise, count, 16).from_strength(percent / 100)
        assert len(part.evaluations) == max(len(timesteps), 1)
        if len(timesteps):
            assert part.evaluations[0].timestep == timesteps[0]


def test_an_image_of_a_flow_model_gets_the_noise_that_theirs_gets() -> None:
    pipeline, noise = flow_pipeline(), torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    pipeline.scheduler.set_timesteps(10)
    timesteps, _ = pipeline.get_timesteps(10, 0.55, "cpu")
    expected = pipeline.scheduler.scale_noise(IMAGE, timesteps[:1], noise)
    part = SAMPLERS["flow_match_euler"].schedule_for(read_trained_noise(FLOW), 10, 16).from_strength(0.55)
    assert torch.equal(noised(IMAGE, noise, part.evaluations[0].here), expected)


def test_rows_at_levels_of_their_own_get_noise_as_alone() -> None:
    evaluations = SAMPLERS["dpmpp_2m"].schedule_for(read_trained_noise(DDIM), 5, 16).evaluations
    images, noise = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    together = noised(images, noise, Level(*columns([one.here for one in evaluations], CPU_DEVICE)))
    alone = [noised(*row, one.here) for *row, one in zip(images, noise, evaluations, strict=True)]
    assert torch.equal(together, torch.stack(alone))
