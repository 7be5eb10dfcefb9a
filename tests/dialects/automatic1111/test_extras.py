"""Pictures that are made larger by a kernel, and what pictures say of themselves."""

from base64 import b64decode
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from app.dialects.automatic1111.reading import parameters_of
from contract.infotext import infotext
from tests.conftest import complete_request
from tests.dialects.automatic1111.conftest import IN_BASE64, PICTURE, assert_refused, opened

ONE, SEVERAL = "POST /sdapi/v1/extra-single-image", "POST /sdapi/v1/extra-batch-images"
READ, INTERROGATE = "POST /sdapi/v1/png-info", "POST /sdapi/v1/interrogate"
LANCZOS = {"upscaler_1": "Lanczos"}

DONE: dict[str, tuple[dict[str, Any], tuple[int, int], str, str]] = {
    "upscaler_1": ({"upscaler_1": "Nearest"}, (256, 256), "exact", "Lanczos, Nearest, None; others are refused."),
    "upscaler_2": (
        LANCZOS | {"upscaler_2": "Nearest", "extras_upscaler_2_visibility": 0.5},
        (256, 256),
        "exact",
        "Lanczos, Nearest, None; others are refused.",
    ),
    "extras_upscaler_2_visibility": (
        LANCZOS | {"upscaler_2": "Nearest", "extras_upscaler_2_visibility": 0},
        (256, 256),
        "exact",
        "How far the second one is mixed in.",
    ),
    "upscaling_resize": (LANCZOS | {"upscaling_resize": 1.3}, (160, 160), "exact", "Sides are multiples of 8."),
    "resize_mode": (
        LANCZOS | {"resize_mode": 1, "upscaling_resize_w": 300, "upscaling_resize_h": 200},
        (300, 200),
        "exact",
        "By a factor, or to a size.",
    ),
    "upscaling_resize_w": (
        LANCZOS | {"resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 32},
        (64, 32),
        "exact",
        "Of resize_mode 1.",
    ),
    "upscaling_resize_h": (
        LANCZOS | {"resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 128},
        (64, 128),
        "exact",
        "Of resize_mode 1.",
    ),
    "upscaling_crop": (
        LANCZOS | {"resize_mode": 1, "upscaling_resize_w": 64, "upscaling_resize_h": 32, "upscaling_crop": False},
        (64, 64),
        "exact",
        "Whether what is over is cut off.",
    ),
    "codeformer_weight": (LANCZOS | {"codeformer_weight": 0.5}, (256, 256), "exact", "Says nothing without faces."),
    "upscale_first": (LANCZOS | {"upscale_first": True}, (256, 256), "exact", "Says nothing without faces."),
}
REFUSED: dict[str, tuple[object, str]] = {
    "gfpgan_visibility": (0.5, "There is no model for faces."),
    "codeformer_visibility": (0.5, "There is no model for faces."),
}


def of_both(field: str, how: str, remark: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.compat(operation, field, how, remark) for operation in (ONE, SEVERAL)]


async def one(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    return await client.post("/sdapi/v1/extra-single-image", json={"image": IN_BASE64} | fields)


async def several(client: httpx.AsyncClient, **fields: object) -> httpx.Response:
    images = [{"data": IN_BASE64, "name": "a"}, {"data": f"data:image/png;base64,{IN_BASE64}", "name": "b"}]
    return await client.post("/sdapi/v1/extra-batch-images", json={"imageList": images} | fields)


@pytest.mark.compat(ONE, "image", "exact", "In base64 or a data: URI; URLs are not fetched.")
@pytest.mark.compat(SEVERAL, "imageList", "exact", "In base64 or data: URIs, at most 16; URLs are not fetched.")
@pytest.mark.parametrize(
    ("fields", "size"),
    [pytest.param(*case[:2], marks=of_both(field, *case[2:]), id=field) for field, case in DONE.items()],
)
async def test_a_picture_is_enlarged(client: httpx.AsyncClient, fields: dict[str, Any], size: tuple[int, int]) -> None:
    response = await one(client, **fields)
    assert response.status_code == 200, response.text
    picture = opened(b64decode(response.json()["image"]))
    assert picture.size == size
    both = await several(client, **fields)
    assert both.json()["images"] == [response.json()["image"]] * 2
    assert both.json()["html_info"] == response.json()["html_info"]
    assert "Postprocess upscaler: " in response.json()["html_info"]


async def test_kernels_are_pillows(client: httpx.AsyncClient) -> None:
    for name, kernel in (("Lanczos", Image.Resampling.LANCZOS), ("Nearest", Image.Resampling.NEAREST)):
        picture = opened(b64decode((await one(client, upscaler_1=name, upscaling_resize=1.5)).json()["image"]))
        assert np.array_equal(np.asarray(picture), np.asarray(PICTURE.resize((192, 192), kernel)))
    mixed = {"upscaler_1": "Lanczos", "upscaler_2": "Nearest", "extras_upscaler_2_visibility": 1}
    nearest = opened(b64decode((await one(client, **mixed)).json()["image"]))
    assert np.array_equal(np.asarray(nearest)[::2, ::2], np.asarray(PICTURE))
    same = opened(b64decode((await one(client)).json()["image"]))
    assert np.array_equal(np.asarray(same), np.asarray(PICTURE))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, marks=of_both(field, "refused", remark), id=field)
        for field, (value, remark) in REFUSED.items()
    ],
)
async def test_models_for_faces_are_refused(client: httpx.AsyncClient, field: str, value: object) -> None:
    assert_refused(await one(client, **{field: value}), 422, "invalid_request", field)
    assert_refused(await several(client, **{field: value}), 422, "invalid_request", field)


@pytest.mark.compat(ONE, "show_extras_results", "exact", "Whether the picture is answered.")
@pytest.mark.compat(SEVERAL, "show_extras_results", "exact", "Whether the pictures are answered.")
async def test_the_picture_may_be_left_out(client: httpx.AsyncClient) -> None:
    assert (await one(client, show_extras_results=False)).json()["image"] is None
    assert (await several(client, show_extras_results=False)).json()["images"] == []


@pytest.mark.parametrize(
    ("fields", "code", "field"),
    [
        ({"upscaler_1": "ESRGAN_4x"}, "invalid_request", "upscaler_1"),
        ({"upscaler_2": "LDSR"}, "invalid_request", "upscaler_2"),
        ({"upscaler_2": "Nearest", "extras_upscaler_2_visibility": 0.5}, "invalid_request", "upscaler_1"),
        ({"upscaling_resize": 9}, "invalid_request", "upscaling_resize"),
        (LANCZOS | {"resize_mode": 1, "upscaling_resize_w": 5000}, "limit_exceeded", "upscaling_resize_w"),
        ({"image": "http://127.0.0.1/x.png"}, "invalid_request", "image"),
        ({"image": "bm8gcGljdHVyZQ=="}, "unsupported_file", "image"),
    ],
)
async def test_what_cannot_be_enlarged_is_named(
    client: httpx.AsyncClient, fields: dict[str, Any], code: str, field: str
) -> None:
    assert_refused(await one(client, **fields), 422, code, field)


async def test_a_bad_picture_of_several_is_named(client: httpx.AsyncClient) -> None:
    images = [{"data": IN_BASE64, "name": "a"}, {"data": "bm8gcGljdHVyZQ==", "name": "b"}]
    response = await client.post("/sdapi/v1/extra-batch-images", json={"imageList": images})
    assert_refused(response, 422, "unsupported_file", "imageList.1.data")


# ---- what pictures say


@pytest.mark.compat(READ, "image", "exact", "PNG, JPEG and WebP, in base64 or a data: URI.")
async def test_a_picture_that_says_nothing(client: httpx.AsyncClient) -> None:
    response = await client.post("/sdapi/v1/png-info", json={"image": IN_BASE64})
    assert response.json() == {"info": "", "items": {}, "parameters": {}}
    bad = await client.post("/sdapi/v1/png-info", json={"image": "bm8gcGljdHVyZQ=="})
    assert_refused(bad, 422, "unsupported_file", "image")


def test_an_infotext_is_read_as_it_was_written() -> None:
    request = complete_request(
        prompt="a fox, running\nfast: very", negative_prompt="a leaf\nred", model="some, model", strength=0.5
    )
    assert parameters_of(infotext(request)) == {
        "Prompt": "a fox, running\nfast: very",
        "Negative prompt": "a leaf\nred",
        "Steps": "4",
        "Sampler": "Euler",
        "Schedule type": "Automatic",
        "CFG scale": "3",
        "Seed": "7",
        "Size-1": "64",
        "Size-2": "64",
        "Model": "some, model",
        "Denoising strength": "0.5",
    }
    assert parameters_of("only a prompt, it is: short")["Prompt"] == "only a prompt, it is: short"


@pytest.mark.compat(INTERROGATE, "image", "refused", "No model here puts pictures into words.")
@pytest.mark.compat(INTERROGATE, "model", "refused", "No model here puts pictures into words.")
@pytest.mark.compat("POST /sdapi/v1/unload-checkpoint", "-", "refused", "Workers remove models by themselves.")
@pytest.mark.compat("POST /sdapi/v1/reload-checkpoint", "-", "refused", "Workers load models by themselves.")
async def test_what_is_not_offered_says_so(client: httpx.AsyncClient) -> None:
    response = await client.post("/sdapi/v1/interrogate", json={"image": IN_BASE64, "model": "clip"})
    assert_refused(response, 404, "not_offered")
    for path in ("unload-checkpoint", "reload-checkpoint"):
        assert_refused(await client.post(f"/sdapi/v1/{path}"), 404, "not_offered")
