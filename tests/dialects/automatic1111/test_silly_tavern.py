"""What SillyTavern sends, as its sources have it: its server passes everything on that its page sends."""

from base64 import b64decode
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.dialects.automatic1111.conftest import opened
from tests.system.launched import Launched

PAGE: dict[str, Any] = {
    "prompt": "best quality, a red apple",
    "negative_prompt": "lowres, bad anatomy",
    "sampler_name": "DDIM",
    "scheduler": "normal",
    "steps": 4,
    "cfg_scale": 7,
    "width": 128,
    "height": 128,
    "restore_faces": False,
    "enable_hr": False,
    "hr_upscaler": "Latent",
    "hr_scale": 1.0,
    "hr_additional_modules": [],
    "denoising_strength": 0.7,
    "hr_second_pass_steps": 0,
    "override_settings": {"CLIP_stop_at_last_layers": 1},
    "override_settings_restore_afterwards": True,
    "clip_skip": 1,
    "save_images": True,
    "send_images": True,
    "do_not_save_grid": False,
    "do_not_save_samples": False,
}
"""The fields of its page, with its defaults but for size and steps; a seed comes along only where one was chosen.

Source: SillyTavern, public/scripts/extensions/stable-diffusion/index.js, `generateAutoImage`.
"""


@pytest.fixture
def tavern(service: Launched) -> Iterator[httpx.Client]:
    """Its server's way of calling, without a password. Source: src/endpoints/stable-diffusion.js."""
    with httpx.Client(base_url=service.address, timeout=60, headers={"Authorization": "Basic"}) as client:
        yield client


def body(service: Launched, **fields: object) -> dict[str, Any]:
    """What its server sends on: the page's fields, with where it thinks that this service is."""
    return {"url": service.address, "auth": ""} | PAGE | fields


def test_its_menus_are_filled(tavern: httpx.Client) -> None:
    assert tavern.get("/sdapi/v1/options").json()["sd_model_checkpoint"] == "safelight-emoji"
    assert "forge_preset" not in tavern.get("/sdapi/v1/options").json()
    for path, key in (
        ("upscalers", "name"),
        ("latent-upscale-modes", "name"),
        ("samplers", "name"),
        ("schedulers", "name"),
        ("sd-models", "title"),
        ("sd-vae", "model_name"),
    ):
        items = tavern.get(f"/sdapi/v1/{path}").json()
        assert all(item[key] for item in items), path
    assert PAGE["sampler_name"] in [item["name"] for item in tavern.get("/sdapi/v1/samplers").json()]
    assert PAGE["scheduler"] in [item["name"] for item in tavern.get("/sdapi/v1/schedulers").json()]


def test_it_changes_the_model_and_waits(tavern: httpx.Client) -> None:
    response = tavern.post("/sdapi/v1/options", json={"sd_model_checkpoint": "safelight-emoji"})
    assert response.status_code == 200
    progress = tavern.get("/sdapi/v1/progress").json()
    assert (progress["progress"], progress["state"]["job_count"]) == (0.0, 0)


def test_its_pictures_are_made(tavern: httpx.Client, service: Launched) -> None:
    response = tavern.post("/sdapi/v1/txt2img", json=body(service, seed=7))
    assert response.status_code == 200, response.text
    picture = opened(b64decode(response.json()["images"][0]))
    assert (picture.format, picture.size) == ("PNG", (128, 128))
    assert picture.info["parameters"].startswith("best quality, a red apple\nNegative prompt: lowres, bad anatomy\n")
    assert not {"url", "auth"} & set(response.json()["parameters"])
    drawn = tavern.post("/sdapi/v1/txt2img", json=body(service))
    assert drawn.json()["images"] != response.json()["images"]


def test_its_choices_that_cannot_be_followed_are_named(tavern: httpx.Client, service: Launched) -> None:
    detailer = {"ADetailer": {"args": [True, True, {"ad_model": "face_yolov8n.pt"}]}}
    for fields, field in (
        ({"alwayson_scripts": detailer}, "alwayson_scripts"),
        ({"clip_skip": 2, "override_settings": {"CLIP_stop_at_last_layers": 2}}, "clip_skip"),
        ({"restore_faces": True}, "restore_faces"),
        ({"override_settings": {"sd_vae": "some.vae"}}, "override_settings.sd_vae"),
        ({"width": 512}, "width"),
    ):
        response = tavern.post("/sdapi/v1/txt2img", json=body(service, **fields))
        assert response.status_code == 422
        assert field in response.json()["detail"]


def test_leaving_interrupts(tavern: httpx.Client) -> None:
    assert tavern.post("/sdapi/v1/interrupt").json() == {}
