"""Streams, frame by frame: what is sent, how often, and nothing on which the SDK's reader would break off."""

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncGenerator
from math import ceil
from typing import Any

import httpx
import pytest
from openai._streaming import SSEDecoder

from app.dialects.openai.streams import Partials, Stream
from app.main import create_app
from app.settings import AppSettings
from contract.job import Job, JobFailure
from contract.job_events import JobEvent
from contract.job_store import JobStore
from contract.leases import Lease
from tests.app.conftest import Player, submit
from tests.dialects.openai.desk import Desk
from tests.dialects.openai.operations import DRAWING, EDITS, GENERATIONS, shows
from tests.pictures import encoded, gradient
from tests.waiting import wait_until_async

NUM_STEPS = 20


def frames_of(response: httpx.Response) -> list[dict[str, Any]]:
    """The data of every frame, of which each line is one that the SDK reads or passes over."""
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache"
    frames = []
    for block in response.text.split("\n\n")[:-1]:
        name, data = block.split("\n")
        frame = json.loads(data.removeprefix("data: "))
        assert name == f"event: {frame.get('type', 'error')}"
        frames.append(frame)
    return frames


async def preview(player: Player, lease: Lease, step: int, index: int = 0) -> None:
    data = b64encode(encoded(gradient(96, 64 + step), "JPEG")).decode()
    said = {"index": index, "step": step, "media_type": "image/jpeg", "data": data}
    await player.report(lease, step, ("preview", said))


async def begun(desk: Desk, operation: str, **parameters: object) -> tuple[asyncio.Future[httpx.Response], Lease]:
    """A stream whose job has been claimed."""
    answer = asyncio.ensure_future(desk.call(operation, stream=True, **parameters))
    return answer, await wait_until_async(lambda: desk.player.leases.claim("player"), 10)


@pytest.mark.parametrize("num_wanted", [0, 1, 2, 3])
@shows("partial_images", "exact", "at most so many, as JPEGs, where the model's pipeline has estimates", *DRAWING)
async def test_estimates_come_as_often_as_was_asked_and_evenly(desk: Desk, operation: str, num_wanted: int) -> None:
    answer, lease = await begun(desk, operation, partial_images=num_wanted)
    num_steps = (await desk.player.job_store.get(lease.job_id)).request.num_steps
    due = [ceil((place + 1) * num_steps / (num_wanted + 1)) for place in range(num_wanted)]
    for step in range(1, num_steps + 1):
        await preview(desk.player, lease, step)
    await desk.player.publish(lease)
    await desk.player.settle(lease)
    *partials, completed = frames_of(await answer)
    kind = "image_generation" if operation == GENERATIONS else "image_edit"
    assert [frame["type"] for frame in partials] == [f"{kind}.partial_image"] * num_wanted
    assert [frame["partial_image_index"] for frame in partials] == list(range(num_wanted))
    assert [frame["size"] for frame in partials] == [f"96x{64 + step}" for step in due]
    assert {frame["output_format"] for frame in partials} <= {"jpeg"}
    assert completed["type"] == f"{kind}.completed"


@pytest.mark.parametrize("num_wanted", [1, 3])
def test_estimates_that_come_late_are_shown_too(num_wanted: int) -> None:
    partials = Partials(num_wanted, NUM_STEPS)
    places = [place for step in (17, 18, 19, 20) if (place := partials.place_of(step)) is not None]
    assert places == list(range(num_wanted))


@shows("stream", "exact", "events of the running job; closing the stream leaves the job alone", *DRAWING)
async def test_every_picture_has_a_frame(desk: Desk, operation: str) -> None:
    answer, lease = await begun(desk, operation, n=2, seed=7, output_format="webp", quality="low")
    assert not (await desk.player.leases.renew([lease]))[0].previews_wanted
    await preview(desk.player, lease, 5)
    for index in range(2):
        await desk.player.publish(lease, index, b"picture %d" % index)
    await desk.player.settle(lease)
    response = await answer
    assert response.headers["x-job-id"] == lease.job_id
    frames = frames_of(response)
    assert [frame["b64_json"] for frame in frames] == [b64encode(b"picture %d" % index).decode() for index in range(2)]
    assert [(frame["index"], frame["seed"]) for frame in frames] == [(0, 7), (1, 8)]
    for frame in frames:
        assert (frame["size"], frame["output_format"], frame["quality"]) == ("128x128", "webp", "low")
        assert (frame["background"], frame["usage"]) == ("opaque", None)
        assert frame["created_at"] > 1_700_000_000


async def test_estimates_are_wished_for_by_those_who_want_some(desk: Desk) -> None:
    answer, lease = await begun(desk, EDITS, partial_images=1)

    async def wished() -> bool:
        return (await desk.player.leases.renew([lease]))[0].previews_wanted

    await wait_until_async(wished, 5)
    await desk.player.settle(lease, "cancelled")
    await answer


async def test_a_stream_ends_with_the_error_that_ends_its_job(desk: Desk) -> None:
    answer, lease = await begun(desk, GENERATIONS)
    await desk.player.settle(lease, "failed", JobFailure(code="non_finite_latents", message="NaN.", retryable=False))
    (frame,) = frames_of(await answer)
    assert set(frame["error"]) == {"message", "type", "param", "code"}
    assert (frame["error"]["type"], frame["error"]["code"]) == ("server_error", "non_finite_latents")
    answer, lease = await begun(desk, GENERATIONS)
    await desk.player.settle(lease, "cancelled")
    (frame,) = frames_of(await answer)
    assert frame["error"]["code"] == "job_cancelled"


async def read(settings: AppSettings, job: Job, events: AsyncGenerator[JobEvent | None]) -> list[bytes]:
    """The frames that these events make."""
    app = create_app(settings)
    async with app.router.lifespan_context(app) as state:
        view = Stream(job, "image_generation", "medium", Partials(1, NUM_STEPS), state["resources"], "request")
        return [frame async for frame in view.frames(events, quiet_seconds=0)]


async def test_silence_and_the_end_of_the_process(
    client: httpx.AsyncClient, job_store: JobStore, settings: AppSettings
) -> None:
    job = await job_store.get(await submit(client))

    async def silence() -> AsyncGenerator[JobEvent | None]:
        yield None
        yield JobEvent("1-1", "progress", '{"step": 1}')

    frames = await read(settings, job, silence())
    assert frames[:2] == [b": still here\n\n"] * 2
    (event,) = SSEDecoder().iter_bytes(iter(frames))
    assert event.json()["error"]["code"] == "internal_error", "a stream that just ends is a fault"


async def test_a_fault_in_a_stream_is_a_frame(
    client: httpx.AsyncClient, job_store: JobStore, settings: AppSettings, caplog: pytest.LogCaptureFixture
) -> None:
    job = await job_store.get(await submit(client))

    async def nonsense() -> AsyncGenerator[JobEvent | None]:
        yield JobEvent("1-1", "preview", '{"unknown": 1}')

    (frame,) = await read(settings, job, nonsense())
    assert b'"code":"internal_error"' in frame
    assert "TypeError in request request" in caplog.text
