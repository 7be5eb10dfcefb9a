"""Edits make what diffusers' own pipelines make of the same picture, the same mask and the same seed."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    StableDiffusionInstructPix2PixPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline,
    StableDiffusionXLInstructPix2PixPipeline,
)
from PIL import Image
from torch import Tensor

from contract.request import CompleteRequest, Scheduler
from tests.tiny_models import build_stable_diffusion, build_stable_diffusion_xl
from tests.worker.edits import PICTURE, edit, inputs, masked, right_half
from tests.worker.engines import RecordsLatents, cpu_pipeline, engine_of, run
from tests.worker.oracles import diffusers_scheduler, oracle, replaced_scheduler
from worker.masks import Mask
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
]

STEPS = 6
LAYOUT = 2e-6
"""How far apart kernels for two memory layouts are, of the largest number."""

SCHEDULERS: list[Scheduler] = ["euler", "ddim", "heun", "dpmpp_2m"]


def their_latents(theirs: Any, ours: StepwisePipeline, scheduler: Scheduler, **inputs: Any) -> Tensor:
    with replaced_scheduler(theirs, diffusers_scheduler(scheduler, theirs.scheduler.config, ours)):
        latents: Tensor = theirs(
            "a red apple",
            num_inference_steps=STEPS,
            guidance_scale=4.0,
            generator=torch.Generator().manual_seed(7),
            output_type="latent",
            image=Image.fromarray(PICTURE),
            **inputs,
        ).images
    return latents


def our_latents(ours: StepwisePipeline, request: CompleteRequest, mask: Mask | None = None, rows: int = 2) -> Tensor:
    recording = RecordsLatents(ours)
    engine = engine_of(recording, rows)
    engine.add("one", request, inputs(mask=mask))
    run(engine)
    return recording.decoded[0]


def assert_close(ours: Tensor, theirs: Tensor, scheduler: Scheduler, tolerance: float = 0.0) -> None:
    """Equal bits, but for DDIM, whose estimate of the noise is rounded differently."""
    tolerance = 3e-6 if scheduler == "ddim" else tolerance
    assert (ours - theirs).abs().max().item() <= tolerance * theirs.abs().max().item()


@pytest.fixture(scope="module")
def inpainting_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inpainting")
    build_stable_diffusion(folder, in_channels=9)
    return folder


@pytest.fixture(scope="module")
def instruct_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("instruct")
    build_stable_diffusion(folder, in_channels=8)
    return folder


@pytest.fixture(scope="module")
def xl_inpainting_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xl_inpainting")
    build_stable_diffusion_xl(folder, in_channels=9)
    return folder


@pytest.fixture(scope="module")
def xl_instruct_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("xl_instruct")
    build_stable_diffusion_xl(folder, in_channels=8)
    return folder


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_image_to_image(epsilon_folder: Path, scheduler: Scheduler, strength: float) -> None:
    """Their first latents have the memory layout of the picture, which has the network run other kernels than ours."""
    theirs, ours = oracle(StableDiffusionImg2ImgPipeline, epsilon_folder), cpu_pipeline(epsilon_folder)
    expected = their_latents(theirs, ours, scheduler, strength=strength)
    found = our_latents(ours, edit(num_inference_steps=STEPS, scheduler=scheduler, strength=strength))
    assert_close(found, expected, scheduler, LAYOUT)


def test_image_to_image_of_xl(xl_folder: Path) -> None:
    theirs, ours = oracle(StableDiffusionXLImg2ImgPipeline, xl_folder), cpu_pipeline(xl_folder, "stable_diffusion_xl")
    expected = their_latents(theirs, ours, "euler", strength=0.5)
    assert_close(our_latents(ours, edit(num_inference_steps=STEPS, strength=0.5)), expected, "euler", LAYOUT)


@pytest.mark.parametrize("strength", [1.0, 0.5])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_fast_inpainting(epsilon_folder: Path, scheduler: Scheduler, strength: float) -> None:
    """The mask follows the edges of latents, as theirs takes the first pixel of each, and ours every one."""
    theirs, ours = oracle(StableDiffusionInpaintPipeline, epsilon_folder), cpu_pipeline(epsilon_folder)
    mask = right_half()
    expected = their_latents(theirs, ours, scheduler, mask_image=Image.fromarray(mask), strength=strength)
    request = masked(num_inference_steps=STEPS, scheduler=scheduler, strength=strength, inpaint_method="fast")
    assert_close(our_latents(ours, request, mask), expected, scheduler)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_networks_for_inpainting(inpainting_folder: Path, strength: float) -> None:
    theirs, ours = oracle(StableDiffusionInpaintPipeline, inpainting_folder), cpu_pipeline(inpainting_folder)
    mask = np.zeros((64, 64), np.uint8)
    mask[5:50, 13:61] = 255
    expected = their_latents(theirs, ours, "euler", mask_image=Image.fromarray(mask), strength=strength)
    assert_close(our_latents(ours, masked(num_inference_steps=STEPS, strength=strength), mask), expected, "euler")


def test_networks_that_follow_instructions(instruct_folder: Path) -> None:
    """Their sum of three predictions is ours in another order, and so rounded differently."""
    theirs, ours = oracle(StableDiffusionInstructPix2PixPipeline, instruct_folder), cpu_pipeline(instruct_folder)
    expected = their_latents(theirs, ours, "euler", image_guidance_scale=1.5)
    found = our_latents(ours, edit(num_inference_steps=STEPS, image_guidance_scale=1.5), rows=3)
    assert (found - expected).abs().max().item() <= 1e-5 * expected.abs().max().item()


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_fast_inpainting_of_xl(xl_folder: Path, strength: float) -> None:
    theirs, ours = oracle(StableDiffusionXLInpaintPipeline, xl_folder), cpu_pipeline(xl_folder, "stable_diffusion_xl")
    mask = right_half()
    expected = their_latents(theirs, ours, "euler", mask_image=Image.fromarray(mask), strength=strength)
    request = masked(num_inference_steps=STEPS, strength=strength, inpaint_method="fast")
    assert_close(our_latents(ours, request, mask), expected, "euler", LAYOUT)


def test_networks_of_xl_for_inpainting(xl_inpainting_folder: Path) -> None:
    theirs = oracle(StableDiffusionXLInpaintPipeline, xl_inpainting_folder)
    ours = cpu_pipeline(xl_inpainting_folder, "stable_diffusion_xl")
    mask = right_half()
    expected = their_latents(theirs, ours, "euler", mask_image=Image.fromarray(mask), strength=1.0)
    assert_close(our_latents(ours, masked(num_inference_steps=STEPS, strength=1.0), mask), expected, "euler", LAYOUT)


def test_networks_of_xl_that_follow_instructions(xl_instruct_folder: Path) -> None:
    theirs = oracle(StableDiffusionXLInstructPix2PixPipeline, xl_instruct_folder)
    ours = cpu_pipeline(xl_instruct_folder, "stable_diffusion_xl")
    expected = their_latents(theirs, ours, "euler", image_guidance_scale=1.5)
    found = our_latents(ours, edit(num_inference_steps=STEPS, image_guidance_scale=1.5), rows=3)
    assert (found - expected).abs().max().item() <= 1e-5 * expected.abs().max().item()
