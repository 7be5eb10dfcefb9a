"""Requests that name or bring pictures: what is stored with the job, and what is said of those that cannot be used."""

import base64

import httpx
import numpy as np
import pytest
from PIL import Image

from app.settings import AppSettings
from contract.job_store import JobStore
from tests.app.conftest import BODY, Player, assert_error, client_of, submit
from tests.pictures import encoded, gradient, opened

PICTURE = gradient(64, 64)
UNKNOWN_FILE = "file_" + "0" * 32
UNKNOWN_ARTIFACT = "art_" + "0" * 32 + "_0"


def data_uri(content: bytes, media_type: str = "image/png") -> str:
    return f"data:{media_type};base64,{base64.b64encode(content).decode()}"


async def post(client: httpx.AsyncClient, key: str | None = None, **changes: object) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await client.post("/v1/generations", json=BODY | changes, headers=headers)


async def send(client: httpx.AsyncClient, content: bytes) -> str:
    return str((await client.post("/v1/files", files={"file": content})).json()["id"])


async def num_files(client: httpx.AsyncClient) -> int:
    return len((await client.get("/v1/files?limit=100")).json()["data"])


async def test_a_file_is_named_as_it_is(client: httpx.AsyncClient, job_store: JobStore) -> None:
    file_id = await send(client, encoded(PICTURE))
    response = await post(client, image=file_id, mask=file_id)
    assert response.status_code == 202
    job = await job_store.get(response.json()["id"])
    assert job.request.references() == {"image": file_id, "mask": file_id}
    assert await num_files(client) == 1


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
async def test_a_picture_that_is_brought_along_becomes_a_file(client: httpx.AsyncClient, image_format: str) -> None:
    content = encoded(PICTURE, image_format)
    uri = data_uri(content, f"image/{image_format.lower()}")
    request = (await post(client, image=uri, mask=uri)).json()["request"]
    assert request["image"] == request["mask"]
    brought = await client.get(f"/v1/files/{request['image']}/content")
    sent = await client.get(f"/v1/files/{await send(client, content)}/content")
    assert brought.content == sent.content


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_a_finished_picture_becomes_a_file(client: httpx.AsyncClient, player: Player, output_format: str) -> None:
    await submit(client, output_format=output_format)
    lease = await player.claim()
    artifact = await player.publish(lease, content=encoded(PICTURE, output_format))
    await player.settle(lease)
    image = (await post(client, image=artifact.id)).json()["request"]["image"]
    await client.delete(f"/v1/jobs/{lease.job_id}")
    found = opened((await client.get(f"/v1/files/{image}/content")).content)
    assert found.size == PICTURE.size
    assert output_format != "png" or np.array_equal(np.asarray(found), np.asarray(PICTURE))


@pytest.mark.parametrize(
    ("value", "status", "code"),
    [
        (UNKNOWN_FILE, 404, "unknown_file"),
        (UNKNOWN_ARTIFACT, 404, "unknown_artifact"),
        ("https://example.org/picture.png", 422, "invalid_request"),
        ("HTTP://127.0.0.1/", 422, "invalid_request"),
        ("file:///etc/passwd", 422, "invalid_request"),
        ("../../etc/passwd", 422, "invalid_request"),
        ("job_" + "0" * 32, 422, "invalid_request"),
        (UNKNOWN_FILE + "\n", 422, "invalid_request"),
        ("", 422, "invalid_request"),
        (5, 422, "invalid_request"),
        ({"id": UNKNOWN_FILE}, 422, "invalid_request"),
        ("data:image/gif;base64,R0lGOD", 422, "invalid_request"),
        ("data:image/png,abc", 422, "invalid_request"),
        ("data:image/png;base64,", 422, "unsupported_file"),
        ("data:image/png;base64,@@@@", 422, "invalid_request"),
        ("data:image/png;base64,é", 422, "invalid_request"),
        (data_uri(b"text"), 422, "unsupported_file"),
        (data_uri(encoded(PICTURE, "GIF")), 422, "unsupported_file"),
        (data_uri(encoded(PICTURE)[:-20]), 422, "damaged_file"),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("field", ["image", "mask"])
async def test_what_cannot_be_used_is_named(
    *, client: httpx.AsyncClient, job_store: JobStore, field: str, value: object, status: int, code: str
) -> None:
    assert_error(await post(client, **{field: value}), status, code, field)
    assert (await job_store.counts())["queued"] == 0
    assert await num_files(client) == 0


SQUARE = (64, 64)
USELESS: dict[str, tuple[Image.Image, str]] = {
    "black": (Image.new("L", SQUARE, 0), "black"),
    "white": (Image.new("L", SQUARE, 255), "white"),
    "one bit": (Image.new("1", SQUARE, 1), "white"),
    "sixteen bits": (Image.new("I;16", SQUARE, 65535), "white"),
    "colour": (Image.new("RGB", SQUARE, (255, 255, 255)), "white"),
    "transparent": (Image.new("RGBA", SQUARE, (255, 255, 255, 0)), "black"),
    "opaque": (Image.new("RGBA", SQUARE, (255, 255, 255, 255)), "white"),
}


@pytest.mark.parametrize("name", USELESS)
@pytest.mark.parametrize("brought", [True, False])
async def test_masks_that_select_nothing_or_everything_are_refused_at_once(
    client: httpx.AsyncClient, job_store: JobStore, name: str, brought: bool
) -> None:
    picture, problem = USELESS[name]
    content = encoded(picture)
    mask = data_uri(content) if brought else await send(client, content)
    before = await num_files(client)
    response = await post(client, image=data_uri(encoded(PICTURE)), mask=mask)
    assert_error(response, 422, "invalid_mask", "mask")
    assert problem in response.json()["error"]["message"]
    assert (await job_store.counts())["queued"] == 0
    assert await num_files(client) == before


async def test_one_pixel_is_something(client: httpx.AsyncClient) -> None:
    for ground in (0, 255):
        mask = Image.new("L", SQUARE, ground)
        mask.putpixel((5, 7), 128)
        response = await post(client, image=data_uri(encoded(PICTURE)), mask=data_uri(encoded(mask)))
        assert response.status_code == 202, response.text


async def test_masks_of_another_size_are_refused_at_once(client: httpx.AsyncClient) -> None:
    response = await post(client, image=data_uri(encoded(PICTURE)), mask=data_uri(encoded(gradient(64, 32))))
    assert_error(response, 422, "invalid_mask", "mask")


async def test_urls_are_refused_with_the_reason(client: httpx.AsyncClient) -> None:
    message = (await post(client, image="https://example.org/x.png")).json()["error"]["message"]
    assert "URLs are not fetched" in message


async def test_the_same_key_and_body_are_the_same_job_even_when_the_files_are_gone(
    client: httpx.AsyncClient, player: Player
) -> None:
    uri = data_uri(encoded(PICTURE))
    first = await post(client, "key", image=uri)
    assert await num_files(client) == 1
    again = await post(client, "key", image=uri)
    assert first.json() == again.json()
    assert await num_files(client) == 1
    await player.finish()
    assert (await client.delete(f"/v1/files/{first.json()['request']['image']}")).status_code == 204
    assert (await post(client, "key", image=uri)).json()["id"] == first.json()["id"]
    assert_error(await post(client, "key", image=data_uri(b"")), 409, "idempotency_conflict", "Idempotency-Key")
    assert await num_files(client) == 0


async def test_a_refused_request_leaves_no_file(settings: AppSettings) -> None:
    async with client_of(settings.model_copy(update={"max_queued_jobs": 0})) as client:
        assert_error(await post(client, image=data_uri(encoded(PICTURE))), 429, "queue_full")
        assert await num_files(client) == 0


async def test_data_uris_may_be_large_and_the_rest_of_a_body_may_not(settings: AppSettings) -> None:
    large = np.random.default_rng(0).integers(0, 256, (400, 400, 3), dtype=np.uint8)
    from PIL import Image

    uri = data_uri(encoded(Image.fromarray(large)))
    assert len(uri) > settings.max_body_bytes
    async with client_of(settings.model_copy(update={"max_inline_bytes": 1_000_000})) as client:
        assert (await post(client, image=uri, resize="crop")).status_code == 202
        assert_error(await post(client, image=uri, prompt="x" * 300_000), 413, "body_too_large")
        assert_error(await post(client, image=uri, mask=uri), 413, "body_too_large")
        escaped = f'{{"prompt": "x", "resize": "crop", "image": "{uri.replace("/", chr(92) + "/")}"}}'
        headers = {"content-type": "application/json"}
        assert (await client.post("/v1/generations", content=escaped, headers=headers)).status_code == 202
        trick = '{"prompt": "x", "image": "data:image\\"' + "[]," * 100_000
        assert_error(await client.post("/v1/generations", content=trick, headers=headers), 413, "body_too_large")
