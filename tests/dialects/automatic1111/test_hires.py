"""Hires fix: a first job, and one more for each of its pictures."""

from typing import Any

import pytest

from contract.job_store import JobStore
from tests.dialects.automatic1111.conftest import TXT2IMG, Ask, assert_refused

HIRES = {"enable_hr": True, "seed": 7, "steps": 20}
EXPECTED: dict[str, tuple[dict[str, Any], dict[str, Any], str, str]] = {
    "enable_hr": ({}, {"num_images": 1, "seed": 7}, "mapped", "Each picture becomes a job of its own that goes on."),
    "hr_upscaler": (
        {"hr_upscaler": "Lanczos"},
        {"resize": "stretch"},
        "mapped",
        "Latent, Lanczos; others are refused.",
    ),
    "hr_scale": ({"hr_scale": 1.5}, {"width": 192, "height": 192}, "exact", "A size that the model takes."),
    "hr_resize_x": ({"hr_resize_x": 256}, {"width": 256, "height": 256}, "exact", "The height follows."),
    "hr_resize_y": ({"hr_resize_y": 192}, {"width": 192, "height": 192}, "exact", "The width follows."),
    "denoising_strength": (
        {"denoising_strength": 0.5},
        {"strength": 0.5, "num_inference_steps": 40},
        "exact",
        "Of the second pass; without enable_hr it says nothing.",
    ),
    "hr_second_pass_steps": (
        {"hr_second_pass_steps": 7, "denoising_strength": 0.7},
        {"num_inference_steps": 10},
        "exact",
        "So many steps are made in the second pass.",
    ),
    "hr_prompt": ({"hr_prompt": "a (pear:1.1)"}, {"prompt": "a (pear:1.1)"}, "exact", "Of the second pass."),
    "hr_negative_prompt": ({"hr_negative_prompt": "a leaf"}, {"negative_prompt": "a leaf"}, "exact", "Likewise."),
    "hr_sampler_name": ({"hr_sampler_name": "Heun"}, {"scheduler": "heun"}, "exact", "Of the second pass."),
    "hr_scheduler": (
        {"hr_sampler_name": "Heun", "hr_scheduler": "Karras"},
        {"scheduler": "heun_karras"},
        "exact",
        "Of the second pass.",
    ),
    "hr_checkpoint_name": (
        {"hr_checkpoint_name": "safelight-emoji"},
        {"model": "safelight-emoji"},
        "exact",
        "Of the second pass.",
    ),
}


@pytest.mark.parametrize(
    ("asked", "becomes"),
    [
        pytest.param(*case[:2], marks=pytest.mark.compat(TXT2IMG, field, *case[2:]), id=field)
        for field, case in EXPECTED.items()
    ],
)
async def test_the_second_pass_is_a_job_over_the_first_picture(
    ask: Ask, asked: dict[str, Any], becomes: dict[str, Any]
) -> None:
    answered = await ask(num_jobs=2, **HIRES | asked)
    assert answered.response.status_code == 200, answered.response.text
    first, second = [job.request.model_dump(mode="json") for job in answered.jobs]
    assert (first["width"], first["image"], first["num_inference_steps"]) == (128, None, 20)
    usual = {} if asked else {"resize": "latents", "strength": 0.75, "num_inference_steps": 27, "width": 256}
    assert second.items() >= (usual | becomes).items()
    assert second["image"].startswith("file_")
    assert second["metadata"] == {"automatic1111": "txt2img", "first_pass": answered.jobs[0].id}


async def test_the_steps_that_are_asked_for_are_made(ask: Ask) -> None:
    for strength in (0.1, 0.3, 0.55, 0.7, 1.0):
        answered = await ask(num_jobs=2, **HIRES | {"denoising_strength": strength, "steps": 13})
        assert answered.jobs[1].request.num_steps == 13, strength


async def test_every_picture_goes_on(ask: Ask) -> None:
    answered = await ask(num_jobs=4, n_iter=3, **HIRES)
    further = answered.jobs[1:]
    assert [job.request.seed for job in further] == [7, 8, 9]
    assert len(answered.response.json()["images"]) == 3
    assert '"all_seeds": [7, 8, 9]' in answered.response.json()["info"]
    assert all(job.id in answered.response.json()["info"] for job in answered.jobs)


@pytest.mark.parametrize(
    ("asked", "code", "field"),
    [
        ({"hr_scale": 4}, "limit_exceeded", "hr_scale"),
        ({"hr_scale": 1.1}, "limit_exceeded", "hr_scale"),
        ({"hr_resize_x": 512, "hr_resize_y": 256, "hr_upscaler": "Lanczos"}, "limit_exceeded", "hr_resize_x"),
        ({"hr_resize_x": 256, "hr_resize_y": 128}, "invalid_request", "hr_resize_x"),
        ({"hr_upscaler": "R-ESRGAN 4x+"}, "invalid_request", "hr_upscaler"),
        ({"hr_upscaler": "Latent (nearest)"}, "invalid_request", "hr_upscaler"),
        ({"denoising_strength": 0}, "invalid_request", "denoising_strength"),
        ({"denoising_strength": 1.5}, "invalid_request", "denoising_strength"),
        ({"denoising_strength": 0.1, "hr_second_pass_steps": 20}, "limit_exceeded", "hr_second_pass_steps"),
        ({"hr_sampler_name": "Nope"}, "unknown_sampler", "hr_sampler_name"),
        ({"hr_checkpoint_name": "nope"}, "unknown_model", "hr_checkpoint_name"),
    ],
)
async def test_a_second_pass_that_cannot_be_is_refused_before_the_first(
    ask: Ask, job_store: JobStore, asked: dict[str, Any], code: str, field: str
) -> None:
    answered = await ask(**HIRES | asked)
    status = 404 if code.startswith("unknown") else 422
    assert_refused(answered.response, status, code, field)
    assert sum((await job_store.counts()).values()) == 0


async def test_with_two_sides_what_is_over_is_cut_off(ask: Ask) -> None:
    answered = await ask(num_jobs=2, hr_resize_x=256, hr_resize_y=192, hr_upscaler="Lanczos", **HIRES)
    second = answered.jobs[1].request
    assert (second.width, second.height, second.resize) == (256, 192, "crop")


async def test_without_it_its_fields_say_nothing(ask: Ask) -> None:
    answered = await ask(hr_upscaler="SwinIR 4x", hr_scale=4, denoising_strength=0, hr_prompt="a pear")
    assert answered.response.status_code == 200
    assert answered.request["image"] is None
