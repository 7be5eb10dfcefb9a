"""Options: one set of them for each caller, kept for a while."""

from pathlib import Path

import httpx
import pytest

from app.settings import AppSettings
from tests.app.conftest import CATALOGUE, client_of
from tests.dialects.automatic1111.conftest import PATHS, Ask, assert_refused

OPTIONS = "POST /sdapi/v1/options"
USUAL = {
    "sd_model_checkpoint": "safelight-emoji",
    "samples_format": "png",
    "sd_checkpoint_hash": None,
    "sd_vae": "Automatic",
    "CLIP_stop_at_last_layers": 1,
    "eta_noise_seed_delta": 0,
    "initial_noise_multiplier": 1.0,
    "img2img_fix_steps": False,
    "img2img_color_correction": False,
    "return_grid": False,
    "enable_pnginfo": True,
}
FIXED: dict[str, tuple[object, str]] = {
    "sd_checkpoint_hash": ("abc", "Models are named by their titles."),
    "sd_vae": ("other.vae", "A model has its own."),
    "CLIP_stop_at_last_layers": (2, "Every layer is used."),
    "eta_noise_seed_delta": (31337, "All noise comes from one seed."),
    "initial_noise_multiplier": (1.1, "Noise is as it was drawn."),
    "img2img_fix_steps": (True, "Strength decides how many steps are made."),
    "img2img_color_correction": (True, "Colours are the model's."),
    "return_grid": (True, "No grids are made."),
    "enable_pnginfo": (False, "Every picture says how it was made."),
}


async def set_options(client: httpx.AsyncClient, **options: object) -> httpx.Response:
    return await client.post("/sdapi/v1/options", json=options)


async def options_of(client: httpx.AsyncClient) -> dict[str, object]:
    told: dict[str, object] = (await client.get("/sdapi/v1/options")).json()
    return told


@pytest.mark.compat("GET /sdapi/v1/options", "-", "exact", "The options of this caller, as far as there are any.")
async def test_what_holds_can_be_set_again(client: httpx.AsyncClient) -> None:
    assert await options_of(client) == USUAL
    response = await set_options(client, **USUAL)
    assert (response.status_code, response.text) == (200, "null")
    assert (await set_options(client)).text == "null"
    assert await options_of(client) == USUAL


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param(option, value, marks=pytest.mark.compat(OPTIONS, option, "refused", remark), id=option)
        for option, (value, remark) in FIXED.items()
    ],
)
async def test_what_is_fixed_is_refused_by_name(client: httpx.AsyncClient, option: str, value: object) -> None:
    assert_refused(await set_options(client, samples_format="jpg", **{option: value}), 422, "invalid_request", option)
    assert await options_of(client) == USUAL


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        pytest.param(
            kind,
            option,
            value,
            marks=pytest.mark.compat(operation, f"override_settings.{option}", "refused", remark),
            id=f"{kind}-{option}",
        )
        for kind, operation in PATHS.items()
        for option, (value, remark) in FIXED.items()
    ],
)
async def test_what_is_fixed_is_refused_for_one_request_too(ask: Ask, kind: str, option: str, value: object) -> None:
    response = (await ask(kind, override_settings={option: value})).response
    assert_refused(response, 422, "invalid_request", f"override_settings.{option}")


@pytest.mark.compat(OPTIONS, "samples_format", "exact", "For later requests of this caller: png, jpg, jpeg, webp.")
async def test_a_format_is_kept(ask: Ask, client: httpx.AsyncClient) -> None:
    for samples_format, ours in (("jpg", "jpeg"), ("webp", "webp"), ("png", "png")):
        assert (await set_options(client, samples_format=samples_format)).text == "null"
        assert (await options_of(client))["samples_format"] == samples_format
        assert (await ask()).request["output_format"] == ours
    assert_refused(await set_options(client, samples_format="gif"), 422, "invalid_request", "samples_format")


@pytest.mark.compat(OPTIONS, "sd_model_checkpoint", "mapped", "For later requests of this caller, and of nobody else.")
async def test_a_model_is_kept(settings: AppSettings, tmp_path: Path) -> None:
    models, adapters, rest = CATALOGUE.read_text().partition("[[adapters]]")
    _, row, model = models.partition("[[models]]")
    second = (row + model).replace('id = "safelight-emoji"', 'id = "second"')
    (tmp_path / "models.toml").write_text(models + second + adapters + rest)
    changed = settings.model_copy(update={"catalogue": tmp_path / "models.toml", "max_queued_jobs": 0})
    async with client_of(changed) as client:
        assert [model["title"] for model in (await client.get("/sdapi/v1/sd-models")).json()] == [
            "safelight-emoji",
            "second",
        ]
        assert (await set_options(client, sd_model_checkpoint="second")).text == "null"
        assert (await options_of(client))["sd_model_checkpoint"] == "second"
        # The adapter fits the first model only, so the error says which one was asked for.
        mark = {"prompt": "x <lora:gilded:1>"}
        assert_refused(await client.post("/sdapi/v1/txt2img", json=mark), 422, "adapter_mismatch", "prompt")
        overridden = mark | {"override_settings": {"sd_model_checkpoint": "safelight-emoji"}}
        assert_refused(await client.post("/sdapi/v1/txt2img", json=overridden), 429, "queue_full")
        assert_refused(await set_options(client, sd_model_checkpoint="x"), 404, "unknown_model", "sd_model_checkpoint")
    async with client_of(settings) as client:  # One that does not have the second model any more.
        assert (await options_of(client))["sd_model_checkpoint"] == "safelight-emoji"
