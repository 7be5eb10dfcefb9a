"""Pictures and masks that come with a request, and what is made of them before a model sees them."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.settings import AppSettings
from contract.job import Job
from tests.app.conftest import CATALOGUE, client_of
from tests.dialects.automatic1111.conftest import (
    BODIES,
    IMG2IMG,
    IN_BASE64,
    PICTURE,
    Ask,
    assert_refused,
    mask,
    opened,
)
from tests.pictures import encoded


def in_base64(picture: Image.Image, image_format: str = "PNG") -> str:
    return b64encode(encoded(picture, image_format)).decode()


async def stored(client: httpx.AsyncClient, job: Job, field: str) -> np.ndarray:
    """The pixels of a file that a job names."""
    response = await client.get(f"/v1/files/{job.request.references()[field]}/content")
    return np.asarray(opened(response.content))


@pytest.mark.compat(IMG2IMG, "init_images", "exact", "One picture in base64 or a data: URI; URLs are not fetched.")
@pytest.mark.parametrize(
    "sent",
    [
        IN_BASE64,
        f"data:image/png;base64,{IN_BASE64}",
        f"data:image/jpeg;base64,{IN_BASE64}",
        IN_BASE64[:76] + "\n" + IN_BASE64[76:],
    ],
    ids=["base64", "data", "wrongly named", "in lines"],
)
async def test_a_picture_comes_in_base64(ask: Ask, client: httpx.AsyncClient, sent: str) -> None:
    answered = await ask("img2img", init_images=[sent])
    assert answered.response.status_code == 200, answered.response.text
    assert np.array_equal(await stored(client, answered.jobs[0], "image"), np.asarray(PICTURE))


@pytest.mark.parametrize(
    ("fields", "status", "code", "field"),
    [
        ({"init_images": None}, 404, "unknown_file", "init_images"),
        ({"init_images": []}, 404, "unknown_file", "init_images"),
        ({"init_images": [IN_BASE64, IN_BASE64]}, 422, "invalid_request", "init_images"),
        ({"init_images": ["http://127.0.0.1/x.png"]}, 422, "invalid_request", "init_images"),
        ({"init_images": ["not base64!"]}, 422, "invalid_request", "init_images"),
        ({"init_images": [b64encode(b"text").decode()]}, 422, "unsupported_file", "init_images"),
        ({"init_images": [b64encode(encoded(PICTURE)[:900]).decode()]}, 422, "damaged_file", "init_images"),
        ({"mask": "http://127.0.0.1/x.png"}, 422, "invalid_request", "mask"),
        ({"mask": b64encode(b"text").decode()}, 422, "unsupported_file", "mask"),
        ({"mask": in_base64(mask(64, 64))}, 422, "invalid_mask", "mask"),
        ({"mask": in_base64(mask(64, 64)), "inpainting_fill": 1}, 422, "invalid_mask", "mask"),
        ({"mask": in_base64(mask()), "inpainting_fill": 2}, 422, "invalid_request", "inpainting_fill"),
        ({"resize_mode": 4}, 422, "invalid_request", "resize_mode"),
        ({"denoising_strength": 0}, 422, "invalid_request", "denoising_strength"),
    ],
)
async def test_a_picture_that_cannot_be_used_is_named(
    *, ask: Ask, fields: dict[str, Any], status: int, code: str, field: str
) -> None:
    assert_refused((await ask("img2img", **fields)).response, status, code, field)


@pytest.mark.compat(IMG2IMG, "include_init_images", "exact", "Without it, the echo has no pictures.")
async def test_pictures_are_said_back_when_that_is_asked_for(ask: Ask) -> None:
    for wish, expected in ((True, [IN_BASE64]), (False, None)):
        answered = await ask("img2img", include_init_images=wish)
        echo = answered.response.json()["parameters"]
        assert (echo["init_images"], echo["mask"]) == (expected, None)
        assert "include_init_images" not in echo


@pytest.mark.compat(
    IMG2IMG, "denoising_strength", "mapped", "int(steps × strength) steps; AUTOMATIC1111 makes one more."
)
@pytest.mark.compat(IMG2IMG, "resize_mode", "exact", "Stretch, crop, fill, and latents.")
@pytest.mark.parametrize(("mode", "ours"), [(0, "stretch"), (1, "crop"), (2, "pad"), (3, "latents")])
async def test_how_a_picture_is_brought_to_a_size(ask: Ask, mode: int, ours: str) -> None:
    answered = await ask("img2img", resize_mode=mode, denoising_strength=0.6, width=192, height=96)
    assert answered.request.items() >= {"resize": ours, "strength": 0.6, "width": 192, "height": 96}.items()
    assert (await ask("img2img")).request["strength"] == 0.75


@pytest.mark.compat(IMG2IMG, "mask", "exact", "White is repainted; by its opacity, where it has any.")
@pytest.mark.compat(IMG2IMG, "inpainting_mask_invert", "exact", "1 repaints what is black.")
@pytest.mark.compat(IMG2IMG, "mask_round", "mapped", "An opacity becomes none or all.")
async def test_what_a_mask_selects(ask: Ask, client: httpx.AsyncClient) -> None:
    opacity = Image.new("RGBA", (128, 128), (255, 255, 255, 0))
    opacity.putalpha(mask().point(lambda tone: 200 if tone else 60))
    white = np.asarray(mask())
    for fields, expected in (
        ({"mask": in_base64(mask())}, white),
        ({"mask": f"data:image/png;base64,{in_base64(mask().convert('RGB'))}"}, white),
        ({"mask": in_base64(mask()), "inpainting_mask_invert": 1}, 255 - white),
        ({"mask": in_base64(opacity)}, white),
        ({"mask": in_base64(opacity), "mask_round": False}, np.where(white, 200, 60)),
    ):
        answered = await ask("img2img", mask_blur=0, **fields)
        assert answered.response.status_code == 200, answered.response.text
        assert np.array_equal(await stored(client, answered.jobs[0], "mask"), expected)
        assert answered.request["inpaint_method"] == "fast"


@pytest.mark.compat(IMG2IMG, "mask_blur", "mapped", "A Gaussian blur by Pillow, of so many pixels.")
@pytest.mark.compat(IMG2IMG, "mask_blur_x", "mapped", "Across, where mask_blur is not there.")
@pytest.mark.compat(IMG2IMG, "mask_blur_y", "mapped", "Down, where mask_blur is not there.")
async def test_how_far_a_mask_is_blurred(ask: Ask, client: httpx.AsyncClient) -> None:
    widths = {}
    corner = Image.new("L", (128, 128))
    corner.paste(255, (64, 64, 128, 128))
    for fields in ({}, {"mask_blur": 4}, {"mask_blur": 12}, {"mask_blur_x": 0, "mask_blur_y": 0}, {"mask_blur_x": 0}):
        answered = await ask("img2img", mask=in_base64(corner), **fields)
        blurred = await stored(client, answered.jobs[0], "mask")
        grey = (blurred > 0) & (blurred < 255)
        widths[str(fields)] = (grey[100].sum(), grey[:, 100].sum())
    usual = widths["{}"]
    assert usual == widths["{'mask_blur': 4}"]
    assert min(usual) > 4
    assert min(widths["{'mask_blur': 12}"]) > max(usual)
    assert widths["{'mask_blur_x': 0, 'mask_blur_y': 0}"] == (0, 0)
    assert widths["{'mask_blur_x': 0}"] == (0, usual[1])


@pytest.mark.compat(IMG2IMG, "inpainting_fill", "mapped", "0 and 1; noise (2) and nothing (3) are refused.")
async def test_what_lies_under_a_mask_at_first(ask: Ask, client: httpx.AsyncClient) -> None:
    drawn = Image.new("RGB", (128, 128), (0, 160, 0))
    drawn.paste((255, 0, 0), (64, 0, 128, 128))
    sent = {"init_images": [in_base64(drawn)], "mask": in_base64(mask()), "mask_blur": 0}
    original = await ask("img2img", inpainting_fill=1, **sent)
    assert np.array_equal(await stored(client, original.jobs[0], "image"), np.asarray(drawn))
    filled = await stored(client, (await ask("img2img", **sent)).jobs[0], "image")
    assert np.array_equal(filled[:, :64], np.asarray(drawn)[:, :64])
    assert np.abs(filled[:, 64:].astype(int) - (0, 160, 0)).max() <= 8


@pytest.mark.compat(IMG2IMG, "inpaint_full_res", "exact", "Only the part around the mask is painted, and put back.")
@pytest.mark.compat(IMG2IMG, "inpaint_full_res_padding", "exact", "How far around the mask that part reaches.")
async def test_only_what_is_around_a_mask_is_painted(ask: Ask) -> None:
    large = PICTURE.resize((300, 220))
    sent = {"init_images": [in_base64(large)], "mask": in_base64(mask(300, 220))}
    around = await ask("img2img", width=128, height=128, inpaint_full_res_padding=32, **sent)
    assert around.request.items() >= {"mask_padding": 32, "resize": None, "width": 128}.items()
    assert (await ask("img2img", **sent)).request["mask_padding"] == 0
    whole = await ask("img2img", inpaint_full_res=False, width=128, height=128, **sent)
    assert whole.request.items() >= {"mask_padding": None, "resize": "stretch"}.items()
    assert (await ask("img2img", inpaint_full_res=True)).request["mask_padding"] is None


async def test_large_pictures_in_base64_are_taken(settings: AppSettings, client: httpx.AsyncClient) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (700, 700, 3), dtype=np.uint8)
    large = in_base64(Image.fromarray(noise))
    assert len(large) > 4 * settings.max_body_bytes
    response = await client.post("/sdapi/v1/png-info", json={"image": large})
    assert response.status_code == 200, response.text
    escaped = f'{{"image": "{large.replace("/", chr(92) + "/")}"}}'
    response = await client.post("/sdapi/v1/png-info", content=escaped, headers={"content-type": "application/json"})
    assert response.status_code == 200, response.text
    response = await client.post("/sdapi/v1/txt2img", json={"prompt": "x" * 300_000})
    assert_refused(response, 413, "body_too_large")


def catalogue_with(folder: Path, old: str, new: str) -> Path:
    """The catalogue with another first model."""
    models, _, _ = CATALOGUE.read_text().partition("[[adapters]]")
    assert old in models
    (folder / "models.toml").write_text(models.replace(old, new, 1))
    return folder / "models.toml"


@pytest.mark.compat(
    IMG2IMG, "image_cfg_scale", "mapped", "For models that follow instructions; others do not look at it."
)
async def test_models_that_follow_instructions(settings: AppSettings, tmp_path: Path) -> None:
    catalogue = catalogue_with(
        tmp_path, 'owned_by = "safelight"', 'owned_by = "safelight"\ntrained_for = "instructions"'
    )
    async with client_of(settings.model_copy(update={"catalogue": catalogue, "max_queued_jobs": 0})) as client:
        body = BODIES["img2img"] | {"image_cfg_scale": 2.0}
        full = {"error": "queue_full"}
        for fields in ({}, {"denoising_strength": 1}):
            assert (await client.post("/sdapi/v1/img2img", json=body | fields)).json().items() >= full.items()
        response = await client.post("/sdapi/v1/img2img", json=body | {"denoising_strength": 0.5})
        assert_refused(response, 422, "invalid_request", "denoising_strength")
        response = await client.post("/sdapi/v1/img2img", json=body | {"image_cfg_scale": 31})
        assert_refused(response, 422, "invalid_request", "image_cfg_scale")
        response = await client.post("/sdapi/v1/img2img", json=body | {"mask": in_base64(mask())})
        assert_refused(response, 422, "invalid_request", "image_cfg_scale")


async def test_models_that_weigh_no_words_are_told_plain_ones(settings: AppSettings, tmp_path: Path) -> None:
    catalogue = catalogue_with(tmp_path, 'family = "stable_diffusion"', 'family = "flux"')
    async with client_of(settings.model_copy(update={"catalogue": catalogue, "max_queued_jobs": 0})) as client:
        response = await client.post("/sdapi/v1/txt2img", json={"prompt": "a (cat:nan) [of:AND|"})
        assert_refused(response, 429, "queue_full")
        assert response.headers["retry-after"]
