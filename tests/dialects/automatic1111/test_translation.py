"""What a request of this dialect becomes in a job."""

from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import save

from contract.request import MAX_SEED
from tests.dialects.automatic1111.conftest import IMG2IMG, PATHS, TXT2IMG, Ask, assert_refused

SAME: dict[str, tuple[object, str, object, str]] = {
    "steps": (30, "num_inference_steps", 30, "That many denoising steps are made."),
    "cfg_scale": (3.5, "guidance_scale", 3.5, "The weight of classifier-free guidance; 1 is off."),
    "width": (192, "width", 192, "A width that the model does not take is refused."),
    "height": (96, "height", 96, "A height that the model does not take is refused."),
    "prompt": ("a (cat:1.2) [x] BREAK y", "prompt", "a (cat:1.2) [x] BREAK y", "Read as AUTOMATIC1111 reads it."),
    "negative_prompt": ("a (leaf:1.2)", "negative_prompt", "a (leaf:1.2)", "Read as the prompt is."),
}


def of_both(field: str, how: str, remark: str) -> list[pytest.MarkDecorator]:
    """Says of both operations what becomes of a field."""
    return [pytest.mark.compat(operation, field, how, remark) for operation in PATHS.values()]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    ("field", "value", "ours", "becomes"),
    [
        pytest.param(field, *case, marks=of_both(field, "exact", remark), id=field)
        for field, (*case, remark) in SAME.items()
    ],
)
async def test_a_field_is_one_of_ours(*, ask: Ask, kind: str, field: str, value: Any, ours: str, becomes: Any) -> None:
    answered = await ask(kind, **{field: value})
    assert answered.response.status_code == 200, answered.response.text
    assert answered.request[ours] == becomes
    assert answered.request["prompt_syntax"] == "weighted"
    assert answered.response.json()["parameters"][field] == value


@pytest.mark.parametrize("kind", PATHS)
async def test_what_is_left_open_is_the_models(ask: Ask, kind: str) -> None:
    answered = await ask(kind)
    assert (
        answered.request.items()
        >= {
            "model": "safelight-emoji",
            "width": 128,
            "height": 128,
            "num_inference_steps": 20,
            "guidance_scale": 2.5,
            "scheduler": "ddim",
            "num_images": 1,
            "metadata": {"automatic1111": kind},
        }.items()
    )
    echo = answered.response.json()["parameters"]
    assert (echo["sampler_name"], echo["steps"], echo["cfg_scale"], echo["seed"]) == ("DDIM", 20, 2.5, -1)


@pytest.mark.compat(TXT2IMG, "seed", "exact", "-1 draws one; picture i has seed + i.")
@pytest.mark.compat(IMG2IMG, "seed", "exact", "-1 draws one; picture i has seed + i.")
@pytest.mark.compat(TXT2IMG, "batch_size", "exact", "With n_iter, so many pictures in one job, at most 16.")
@pytest.mark.compat(IMG2IMG, "batch_size", "exact", "With n_iter, so many pictures in one job, at most 16.")
@pytest.mark.compat(TXT2IMG, "n_iter", "exact", "With batch_size, so many pictures in one job, at most 16.")
@pytest.mark.compat(IMG2IMG, "n_iter", "exact", "With batch_size, so many pictures in one job, at most 16.")
@pytest.mark.parametrize("kind", PATHS)
async def test_pictures_are_of_one_job_with_seeds_that_follow(ask: Ask, kind: str) -> None:
    answered = await ask(kind, seed=7, batch_size=3, n_iter=2)
    assert answered.request["num_images"] == 6
    info = answered.response.json()["info"]
    assert '"all_seeds": [7, 8, 9, 10, 11, 12]' in info
    assert len(answered.response.json()["images"]) == 6
    drawn = [(await ask(kind, seed=seed)).request["seed"] for seed in (-1, -1, None)]
    assert len(set(drawn)) == 3
    assert max(drawn) < 2**32
    refused = await ask(kind, batch_size=5, n_iter=4)
    assert_refused(refused.response, 422, "invalid_request", "batch_size × n_iter")
    for seed in (-2, MAX_SEED + 1):
        assert_refused((await ask(kind, seed=seed)).response, 422, "invalid_request", "seed")


@pytest.mark.compat(TXT2IMG, "send_images", "exact", "Without them, the answer names the job that has them.")
@pytest.mark.compat(IMG2IMG, "send_images", "exact", "Without them, the answer names the job that has them.")
@pytest.mark.parametrize("kind", PATHS)
async def test_pictures_may_be_left_out_of_the_answer(ask: Ask, kind: str) -> None:
    answered = await ask(kind, send_images=False)
    assert answered.response.json()["images"] == []
    assert answered.jobs[0].id in answered.response.json()["info"]


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(
            kind,
            marks=[
                pytest.mark.compat(operation, f"override_settings.{name}", "exact", "For this request alone.")
                for name in ("sd_model_checkpoint", "samples_format")
            ],
        )
        for kind, operation in PATHS.items()
    ],
)
async def test_settings_are_those_of_the_request(ask: Ask, kind: str) -> None:
    settings = {"sd_model_checkpoint": "safelight-emoji", "samples_format": "webp", "CLIP_stop_at_last_layers": 1}
    answered = await ask(kind, override_settings=settings)
    assert (answered.request["model"], answered.request["output_format"]) == ("safelight-emoji", "webp")
    assert answered.response.json()["parameters"]["override_settings"] == settings
    assert (await ask(kind)).request["output_format"] == "png"
    for name, value, status, code in (
        ("sd_model_checkpoint", "nope", 404, "unknown_model"),
        ("CLIP_stop_at_last_layers", 2, 422, "invalid_request"),
        ("eta_noise_seed_delta", 31337, 422, "invalid_request"),
        ("not_an_option", True, 422, "invalid_request"),
    ):
        refused = await ask(kind, override_settings={name: value})
        assert_refused(refused.response, status, code, f"override_settings.{name}")


@pytest.mark.compat(
    TXT2IMG, "override_settings_restore_afterwards", "refused", "False, as no request changes settings of later ones."
)
@pytest.mark.compat(
    IMG2IMG, "override_settings_restore_afterwards", "refused", "False, as no request changes settings of later ones."
)
@pytest.mark.parametrize("kind", PATHS)
async def test_settings_are_never_left_changed(ask: Ask, kind: str) -> None:
    field = "override_settings_restore_afterwards"
    assert (await ask(kind, **{field: False})).response.status_code == 200
    refused = await ask(kind, **{field: False}, override_settings={"samples_format": "webp"})
    assert_refused(refused.response, 422, "invalid_request", field)


@pytest.mark.compat(TXT2IMG, "disable_extra_networks", "exact", "Marks are taken out of the prompt, and not followed.")
@pytest.mark.compat(IMG2IMG, "disable_extra_networks", "exact", "Marks are taken out of the prompt, and not followed.")
@pytest.mark.parametrize("kind", PATHS)
async def test_adapters_are_marks_in_the_prompt(ask: Ask, kind: str) -> None:
    prompt = "a <lora:gilded:0.8> red apple"
    answered = await ask(kind, prompt=prompt)
    assert (answered.request["prompt"], answered.request["adapters"]) == (
        "a  red apple",
        [{"id": "gilded", "scale": 0.8}],
    )
    assert answered.response.json()["parameters"]["prompt"] == prompt
    assert (await ask(kind, prompt="x <lora:gilded>")).request["adapters"] == [{"id": "gilded", "scale": 1.0}]
    without = await ask(kind, prompt=prompt, disable_extra_networks=True)
    assert (without.request["prompt"], without.request["adapters"]) == ("a  red apple", [])


async def test_a_file_is_an_adapter_too(ask: Ask, client: httpx.AsyncClient) -> None:
    sent = await client.post("/v1/files", files={"file": ("lora.safetensors", save({"a": torch.zeros(2)}))})
    file_id = sent.json()["id"]
    answered = await ask(prompt=f"an apple <lora:{file_id}:0.5>")
    assert answered.request["adapters"] == [{"id": file_id, "scale": 0.5}]


@pytest.mark.parametrize(
    ("mark", "status", "code"),
    [
        ("<lora:nope:1>", 404, "unknown_adapter"),
        ("<lora:gilded:9>", 422, "invalid_request"),
        ("<lora:gilded:nan>", 422, "invalid_request"),
        ("<lora:gilded:x>", 422, "malformed_prompt"),
        ("<lora:gilded:1:1>", 422, "malformed_prompt"),
        ("<lora:gilded:1><lora:gilded:1>", 422, "invalid_request"),
        ("<hypernet:gilded:1>", 422, "malformed_prompt"),
        ("a (cat:99)", 422, "malformed_prompt"),
    ],
)
async def test_a_mark_that_cannot_be_followed_is_named(ask: Ask, mark: str, status: int, code: str) -> None:
    assert_refused((await ask(prompt=f"an apple {mark}")).response, status, code, "prompt")


async def test_limits_are_told_in_the_names_of_the_dialect(ask: Ask) -> None:
    for fields, code, field in (
        ({"steps": 500}, "limit_exceeded", "steps"),
        ({"steps": 0}, "invalid_request", "steps"),
        ({"cfg_scale": 31}, "limit_exceeded", "cfg_scale"),
        ({"width": 100}, "limit_exceeded", "width"),
        ({"prompt": ""}, "invalid_request", "prompt"),
        ({"stepz": 20}, "invalid_request", "stepz"),
    ):
        response = (await ask(**fields)).response
        assert_refused(response, 422, code, field)
        assert "num_inference_steps" not in response.text
