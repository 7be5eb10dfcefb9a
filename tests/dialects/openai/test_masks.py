"""Pictures that come along: where they are edited is where they, or their masks, are fully transparent."""

import httpx
import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save

from contract.file_ids import storage_key_of
from contract.job import Job
from tests.app.conftest import Player
from tests.dialects.openai.desk import PICTURE, Desk, assert_refused
from tests.dialects.openai.operations import EDITS, VARIATIONS
from tests.pictures import encoded, gradient, opened


def through(alpha: np.ndarray, picture: Image.Image | None = None, image_format: str = "PNG") -> bytes:
    """A picture with this transparency, as a file."""
    picture = (picture or gradient(*alpha.shape[::-1])).convert("RGB")
    picture.putalpha(Image.fromarray(alpha))
    options = {"lossless": True, "exact": True} if image_format == "WEBP" else {}
    return encoded(picture, image_format, **options)


def half(value: int = 0, height: int = 128, width: int = 128) -> np.ndarray:
    """Opaque but for the upper half."""
    alpha = np.full((height, width), 255, np.uint8)
    alpha[: height // 2] = value
    return alpha


async def mask_of(job: Job, player: Player) -> np.ndarray:
    """The mask that a job holds its picture against."""
    assert job.request.mask is not None
    return np.asarray(opened(await player.artifacts.get(storage_key_of(job.request.mask))))


@pytest.mark.compat(EDITS, "mask", "exact", "fully transparent is edited; without alpha, or of another size, refused")
@pytest.mark.compat(EDITS, "image", "mapped", "one picture; without a mask, changed with a strength of 0.75")
@pytest.mark.parametrize("image_format", ["PNG", "WEBP"])
async def test_what_is_fully_transparent_is_repainted_and_nothing_else(desk: Desk, image_format: str) -> None:
    alpha = half()
    alpha[:8] = 1
    _, job = await desk.accepted(EDITS, mask=through(alpha, image_format=image_format))
    assert np.array_equal(await mask_of(job, desk.player), np.where(alpha == 0, 255, 0))
    assert (job.request.strength, job.request.mask_mode) == (1.0, "blend")


@pytest.mark.parametrize("strongest", [0, 1])
async def test_a_picture_is_its_own_mask(desk: Desk, strongest: int) -> None:
    alpha = half(strongest)
    _, job = await desk.accepted(EDITS, image=through(alpha))
    if strongest:
        assert job.request.mask is None, "what is nearly transparent is not edited"
    else:
        assert np.array_equal(await mask_of(job, desk.player), np.where(alpha == 0, 255, 0))


async def test_a_mask_is_taken_before_a_pictures_own(desk: Desk) -> None:
    mask = half()[::-1]
    _, job = await desk.accepted(EDITS, image=through(half()), mask=through(np.ascontiguousarray(mask)))
    assert np.array_equal(await mask_of(job, desk.player), np.where(mask == 0, 255, 0))


async def test_a_picture_without_transparency_is_changed_everywhere(desk: Desk) -> None:
    _, job = await desk.accepted(EDITS)
    assert (job.request.mask, job.request.strength) == (None, 0.75)


@pytest.mark.parametrize(
    ("parameter", "pictures", "why"),
    [
        ("mask", {"mask": PICTURE}, "no transparency"),
        ("mask", {"mask": through(half(1))}, "nowhere fully transparent"),
        ("mask", {"mask": through(np.zeros((128, 128), np.uint8))}, "everywhere"),
        ("mask", {"mask": through(half(height=64))}, "64 × 128"),
        ("mask", {"mask": b"no picture"}, "neither"),
        ("mask", {"mask": encoded(gradient())[:100]}, "cut off"),
        ("image", {"image": through(np.zeros((128, 128), np.uint8))}, "everywhere"),
        ("image", {"image": b"no picture"}, "neither"),
        ("image", {"image": save({"x": np.zeros(3)})}, "no picture"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_pictures_that_will_not_do(desk: Desk, parameter: str, pictures: dict[str, bytes], why: str) -> None:
    assert why in await desk.refused(EDITS, parameter, **pictures)
    assert (await desk.client.get("/v1/files")).json()["data"] == [], "what was refused is not kept"


@pytest.mark.compat(EDITS, "image[]", "mapped", "another name of image; more than one picture is refused")
@pytest.mark.compat(VARIATIONS, "image", "mapped", "one picture; drawn anew with a variation of 0.5")
async def test_one_picture_under_either_name(desk: Desk) -> None:
    async def edit(*names: str) -> httpx.Response:
        files = [(name, ("p.png", PICTURE, "image/png")) for name in names]
        return await desk.client.post("/v1/images/edits", data={"prompt": "x", "size": "100x100"}, files=files)

    for names in (["image"], ["image[]"]):
        assert_refused(await edit(*names), 400, "size")
    for names in (["image[]", "image[]"], ["image", "image[]"], ["image", "image"]):
        assert "several" in assert_refused(await edit(*names), 400, "image")
    _, job = await desk.accepted(VARIATIONS)
    assert (job.request.variation, job.request.prompt, job.request.guidance_scale) == (0.5, "", 1.0)


@pytest.mark.parametrize("operation", [EDITS, VARIATIONS])
async def test_a_picture_of_another_size_is_cropped_to_one_that_can_be_drawn(desk: Desk, operation: str) -> None:
    body, job = await desk.accepted(operation, image=encoded(gradient(600, 300)))
    assert (body["size"], job.request.resize) == ("256x128", "crop")
    body, job = await desk.accepted(operation, image=encoded(gradient(600, 300)), size="64x96")
    assert body["size"] == "64x96"


@pytest.mark.parametrize(
    ("parameter", "files", "texts"),
    [
        ("prompt", {"prompt": ("p.txt", b"a fox")}, {}),
        ("image", {}, {"image": "not a file", "prompt": "x"}),
        ("n", {"image": PICTURE}, {"n": ["1", "2"], "prompt": "x"}),
        ("prompt", {"image": PICTURE}, {"prompt": b"\xff"}),
        ("prompt", {"image": PICTURE}, {"prompt": "a\0b"}),
        ("markup", {"markup": PICTURE}, {"prompt": "x"}),
    ],
)
async def test_forms_that_will_not_do(
    client: httpx.AsyncClient, parameter: str, files: dict[str, bytes], texts: dict[str, object]
) -> None:
    files = files or {"unused": b""}
    response = await client.post("/v1/images/edits", data=texts, files=files)
    assert_refused(response, 400, parameter)


async def test_texts_are_bounded(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/images/edits", data={"prompt": "x" * 70_000}, files={"image": PICTURE})
    assert_refused(response, 413, None)
    response = await client.post("/v1/images/edits", json={"prompt": "x"})
    assert_refused(response, 415, "Content-Type")
