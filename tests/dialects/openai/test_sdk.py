"""The real SDK, sync and async, against the service as shipped: every method, and clients that leave."""

import asyncio
import base64
import urllib.request
from io import BytesIO
from typing import Any
from uuid import uuid4

import numpy as np
import openai
import pytest
from PIL import Image

from tests.dialects.openai.sdk import SDK, using
from tests.pictures import encoded, gradient
from tests.system.launched import Launched
from tests.waiting import wait_until

QUICK: dict[str, Any] = {"num_inference_steps": 2}
SLOW: dict[str, Any] = {"prompt": "a red apple", "extra_body": {"num_inference_steps": 150}}
PICTURE = gradient(128, 128)


def pixels_of(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content)).convert("RGB"))


def fetched(address: str) -> tuple[str, bytes]:
    """The media type and the bytes under an address."""
    with urllib.request.urlopen(address) as answer:
        return answer.headers["content-type"], answer.read()


def decoded(picture: Any) -> bytes:
    return base64.b64decode(picture.b64_json)


def job_of(service: Launched, user: str) -> dict[str, Any]:
    """The one job of a user."""
    jobs = service.call("/v1/jobs?limit=100")["data"]
    (job,) = [job for job in jobs if job["request"]["metadata"].get("user") == user]
    return job


async def test_generations_are_the_pictures_of_the_native_api(sdk: SDK, service: Launched) -> None:
    extra = QUICK | {"seed": 7, "guidance_scale": 3.0, "negative_prompt": "a leaf"}
    answer = await sdk(
        lambda client: client.images.with_raw_response.generate(
            prompt="a red apple", n=2, size="64x96", quality="auto", user="me", extra_body=extra
        )
    )
    response = answer.parse()
    job = service.call(f"/v1/jobs/{answer.headers['x-job-id']}")
    assert answer.headers["x-request-id"]
    assert (response.size, response.output_format, response.background) == ("64x96", "png", "opaque")
    assert (response.usage, response.quality) == (None, None)
    assert [picture.seed for picture in response.data] == [7, 8]
    assert pixels_of(decoded(response.data[0])).shape == (96, 64, 3)
    for picture, image in zip(response.data, job["images"], strict=True):
        assert decoded(picture) == fetched(image["url"])[1]
    body = {"prompt": "a red apple", "width": 64, "height": 96, "metadata": {"user": "me"}, **extra, "seed": 8}
    alone = service.call("/v1/generations", body, prefer="wait=60")
    assert alone["images"][0]["sha256"] == job["images"][1]["sha256"]


async def test_pictures_as_addresses(sdk: SDK) -> None:
    response = await sdk(
        lambda client: client.images.generate(
            prompt="a fox",
            size="64x64",
            response_format="url",
            output_format="jpeg",
            output_compression=20,
            extra_body=QUICK,
        )
    )
    media_type, content = fetched(response.data[0].url)
    assert (media_type, Image.open(BytesIO(content)).size) == ("image/jpeg", (64, 64))


async def test_edits_change_what_the_mask_leaves_transparent_and_not_a_pixel_more(sdk: SDK) -> None:
    alpha = np.full((128, 128), 255, np.uint8)
    alpha[:64] = 0
    mask = PICTURE.copy()
    mask.putalpha(Image.fromarray(alpha))
    response = await sdk(
        lambda client: client.images.edit(
            image=("picture.png", encoded(PICTURE)),
            mask=("mask.png", encoded(mask)),
            prompt="a fox",
            extra_body=QUICK,
        )
    )
    found = pixels_of(decoded(response.data[0]))
    assert np.array_equal(found[64:], np.asarray(PICTURE)[64:])
    assert np.abs(found[:64].astype(int) - np.asarray(PICTURE)[:64]).mean() > 10


async def test_edits_of_a_list_of_one_picture(sdk: SDK) -> None:
    response = await sdk(
        lambda client: client.images.edit(
            image=[encoded(PICTURE)], prompt="a fox", n=2, size="64x64", quality="low", extra_body={"seed": 3}
        )
    )
    assert (len(response.data), response.size, response.quality) == (2, "64x64", "low")
    with pytest.raises(openai.BadRequestError) as raised:
        await sdk(lambda client: client.images.edit(image=[encoded(PICTURE)] * 2, prompt="a fox"))
    assert raised.value.param == "image"


async def test_variations(sdk: SDK) -> None:
    def call(client: Any) -> Any:
        with pytest.warns(DeprecationWarning, match="deprecated"):
            return client.images.create_variation(image=encoded(PICTURE), n=2, size="64x64", extra_body=QUICK)

    response = await sdk(call)
    assert len({picture.b64_json for picture in response.data}) == 2
    assert response.size == "64x64"


async def test_streams_have_real_estimates_and_the_picture(sdk: SDK, service: Launched) -> None:
    user = uuid4().hex
    *partials, completed = await sdk.events(
        lambda client: client.images.generate(prompt="a red apple", stream=True, partial_images=2, user=user)
    )
    assert [event.type for event in partials] == ["image_generation.partial_image"] * len(partials)
    assert 1 <= len(partials) <= 2
    assert [event.partial_image_index for event in partials] == list(range(len(partials)))
    for event in partials:
        with Image.open(BytesIO(decoded(event))) as estimate:
            assert (estimate.format.lower(), f"{estimate.width}x{estimate.height}") == (event.output_format, event.size)
    assert completed.type == "image_generation.completed"
    image = job_of(service, user)["images"][0]
    assert decoded(completed) == fetched(image["url"])[1]
    far, near = (
        np.abs(pixels_of(decoded(event)).astype(int) - pixels_of(decoded(completed))).mean()
        for event in (partials[0], completed)
    )
    assert 0 == near < far < 100, "an estimate of this picture, and not yet it"


async def test_a_stream_of_an_edit(sdk: SDK) -> None:
    events = await sdk.events(
        lambda client: client.images.edit(
            image=encoded(PICTURE), prompt="a fox", stream=True, partial_images=1, n=2, size="64x64"
        )
    )
    names = [event.type.removeprefix("image_edit.") for event in events]
    assert names.count("completed") == 2
    assert names.count("partial_image") <= 1
    assert len(names) == 2 + names.count("partial_image")


async def test_a_client_that_closes_its_stream_leaves_nothing_behind(service: Launched) -> None:
    user = uuid4().hex
    async with using(service.address) as sdk:
        stream = await sdk(lambda client: client.images.generate(stream=True, partial_images=3, user=user, **SLOW))
        assert (await anext(aiter(stream))).type == "image_generation.partial_image"
        await stream.close()
    job = job_of(service, user)
    assert job["status"] == "running", "the picture is not lost with its client"
    service.call(f"/v1/jobs/{job['id']}/cancel", {})
    wait_until(lambda: service.call(f"/v1/jobs/{job['id']}")["status"] == "cancelled", 30)
    assert "Traceback" not in service.log()


async def test_a_job_that_is_cancelled_ends_its_stream_and_its_call(service: Launched) -> None:
    streamed, waited = uuid4().hex, uuid4().hex

    def cancel(user: str) -> None:
        service.call(f"/v1/jobs/{job_of(service, user)['id']}/cancel", {})

    async with using(service.address) as sdk:
        stream = await sdk(lambda client: client.images.generate(stream=True, partial_images=3, user=streamed, **SLOW))
        events = aiter(stream)
        await anext(events)
        cancel(streamed)
        with pytest.raises(openai.APIError, match="cancelled") as raised:
            async for _ in events:
                pass
        assert raised.value.code == "job_cancelled"
        call = asyncio.ensure_future(sdk(lambda client: client.images.generate(user=waited, **SLOW)))

        def admitted() -> bool:
            jobs = service.call("/v1/jobs?limit=20")["data"]
            return any(job["request"]["metadata"].get("user") == waited for job in jobs)

        await asyncio.to_thread(wait_until, admitted, 30)
        await asyncio.to_thread(cancel, waited)
        with pytest.raises(openai.ConflictError) as conflict:
            await call
        assert conflict.value.response.headers["x-should-retry"] == "false"


async def test_twenty_clients_at_once_get_their_own_pictures(service: Launched) -> None:
    async def one(seed: int) -> bytes:
        async with using(service.address) as sdk:
            response = await sdk(
                lambda client: client.images.generate(
                    prompt="a red apple", size="64x64", extra_body=QUICK | {"seed": seed}
                )
            )
        assert response.data[0].seed == seed
        return decoded(response.data[0])

    together = await asyncio.gather(*(one(seed) for seed in range(20)))
    assert len(set(together)) == 20
    assert [await one(seed) for seed in (0, 19)] == [together[0], together[19]]


async def test_models(sdk: SDK) -> None:
    page = await sdk(lambda client: client.models.list())
    (model,) = page.data
    assert (model.id, model.object, model.owned_by) == ("safelight-emoji", "model", "safelight")
    found = await sdk(lambda client: client.models.retrieve("safelight-emoji"))
    assert found.created == model.created
    with pytest.raises(openai.NotFoundError):
        await sdk(lambda client: client.models.retrieve("gpt-image-2"))
