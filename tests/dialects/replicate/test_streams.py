"""A prediction's stream: logs, pictures, the end; every frame has an id, and the stream goes on after any of them."""

import json

import httpx
import pytest
import replicate
from replicate.stream import ServerSentEvent

from contract.errors import WorkerDied
from contract.job import JobFailure
from tests.app.conftest import Player, submit
from tests.dialects.replicate.conftest import MODEL

OPERATION = "GET /v1/predictions/{prediction_id}/stream"
Frame = dict[str, str]


async def frames(client: httpx.AsyncClient, job_id: str, after: str | None = None) -> list[Frame]:
    """The frames of a job that has ended, their data as text."""
    headers = {} if after is None else {"Last-Event-ID": after}
    response = await client.get(f"/v1/predictions/{job_id}/stream", headers=headers)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].partition(";")[0] == "text/event-stream"
    return [_frame(block) for block in response.text.split("\n\n") if block]


def _frame(block: str) -> Frame:
    frame: Frame = {}
    for name, value in (line.split(": ", 1) for line in block.replace("data:\n", "data: \n").split("\n")):
        frame[name] = f"{frame[name]}\n{value}" if name in frame else value
    return frame


async def told(client: httpx.AsyncClient, player: Player) -> str:
    """A job of two pictures that has a log, a warning and an end."""
    job_id = await submit(client, num_images=2, num_inference_steps=4)
    lease = await player.claim()
    await player.report(lease, 1, ("progress", {"step": 1}), ("preview", {"jpeg": "…"}))
    await player.report(lease, 4, ("progress", {"step": 4}))
    await player.publish(lease, 0)
    await player.report(lease, 6, ("progress", {"step": 6}))
    await player.publish(lease, 1)
    await player.leases.warn(lease, "The prompt was cut.")
    await player.settle(lease)
    return job_id


async def test_a_stream_tells_the_log_and_the_pictures(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await told(client, player)
    prediction = (await client.get(f"/v1/predictions/{job_id}")).json()
    found = await frames(client, job_id)
    assert [frame["event"] for frame in found] == ["logs", "logs", "output", "logs", "output", "logs", "done"]
    assert "".join(frame["data"] for frame in found if frame["event"] == "logs") == prediction["logs"]
    assert [frame["data"] for frame in found if frame["event"] == "output"] == prediction["output"]
    assert found[-1]["data"] == "{}"
    assert len({frame["id"] for frame in found}) == len(found)


@pytest.mark.compat(OPERATION, "Last-Event-ID", "exact", "the id of any frame; the stream goes on after it")
async def test_a_stream_goes_on_after_any_frame(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await told(client, player)
    whole = await frames(client, job_id)
    for seen in range(len(whole)):
        assert await frames(client, job_id, whole[seen]["id"]) == whole[seen + 1 :]
    for wrong in ("1", "1-1", "x-1:0", "1-1:0:0"):
        answer = await client.get(f"/v1/predictions/{job_id}/stream", headers={"Last-Event-ID": wrong})
        assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, "Last-Event-ID")


async def test_a_job_that_begins_again_tells_its_steps_again(client: httpx.AsyncClient, player: Player) -> None:
    job_id = await submit(client, num_inference_steps=2)
    lease = await player.claim()
    await player.report(lease, 2, ("progress", {"step": 2}))
    await player.leases.give_back([lease], "drained")
    again = await player.claim()
    await player.report(again, 1, ("progress", {"step": 1}))
    await player.settle(again, "cancelled")
    half, whole = " 50%|█████     | 1/2\n", "100%|██████████| 2/2\n"
    assert [frame["data"] for frame in await frames(client, job_id)] == [half + whole, half, '{"reason": "canceled"}']
    assert (await client.get(f"/v1/predictions/{job_id}")).json()["logs"] == half


async def test_how_a_stream_ends(client: httpx.AsyncClient, player: Player) -> None:
    failed, cancelled = await submit(client), await submit(client)
    await player.settle(await player.claim(), "failed", JobFailure.of(WorkerDied("The worker died.")))
    await client.post(f"/v1/jobs/{cancelled}/cancel")
    ends = [
        [(frame["event"], json.loads(frame["data"])) for frame in await frames(client, job_id)]
        for job_id in (failed, cancelled)
    ]
    assert ends == [
        [("error", {"detail": "The worker died."}), ("done", {"reason": "error"})],
        [("done", {"reason": "canceled"})],
    ]


async def test_a_stream_of_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/predictions/job_1/stream")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_job")


async def test_the_sdk_reads_what_is_told(client: httpx.AsyncClient, local: replicate.Client, player: Player) -> None:
    prediction = await local.predictions.async_get(await told(client, player))
    events = [event async for event in prediction.async_stream()]
    kinds = ServerSentEvent.EventType
    assert [event.event for event in events if event.event is not kinds.LOGS] == [
        kinds.OUTPUT,
        kinds.OUTPUT,
        kinds.DONE,
    ]
    assert "".join(event.data for event in events if event.event is kinds.LOGS) == prediction.logs
    assert [event.data for event in events if event.event is kinds.OUTPUT] == prediction.output


async def test_the_sdk_raises_what_failed(client: httpx.AsyncClient, local: replicate.Client, player: Player) -> None:
    prediction = await local.predictions.async_create(MODEL, {"prompt": "a fox"})
    await player.settle(await player.claim(), "failed", JobFailure.of(WorkerDied("The worker died.")))
    with pytest.raises(RuntimeError, match="The worker died"):
        _ = [event async for event in prediction.async_stream()]
