"""What is lost on the way: answers, streams, the whole service; nothing is made twice, no event is missed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from safelight import AsyncSafelight, ConnectionFailed, Ended, Event, Job, Safelight, ServiceError, refusals
from safelight.retries import pause_seconds, said_no
from tests.client.conftest import FAST, LONG, Threaded, ended
from tests.fault_proxy import WHOLE, FaultProxy
from tests.pictures import encoded, gradient
from tests.system.launched import Launched
from tests.waiting import wait_until_async

EVERYWHERE = (0, 20, 400)
"""Bytes of an answer after which it is cut: before its status, within its headers, within its body."""

GATEWAY_PAGE = b"HTTP/1.1 502 Bad Gateway\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n<html></html>"


@pytest.fixture
async def proxy(service: Launched) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the whole service."""
    async with FaultProxy(service.address) as proxy:
        yield proxy


@pytest.fixture(params=["blocking", "asynchronous"])
async def through(proxy: FaultProxy, request: pytest.FixtureRequest) -> AsyncIterator[AsyncSafelight]:
    """Each client in its turn, behind the proxy."""
    if request.param == "blocking":
        with Safelight(proxy.address) as blocking:
            yield Threaded(blocking)  # type: ignore[misc]
    else:
        async with AsyncSafelight(proxy.address) as asynchronous:
            yield asynchronous


def job_ids(service: Launched) -> set[str]:
    """The newest jobs."""
    return {job["id"] for job in service.call("/v1/jobs?limit=100")["data"]}


@pytest.mark.parametrize("cut", EVERYWHERE)
async def test_a_lost_answer_makes_no_second_job(
    through: AsyncSafelight, proxy: FaultProxy, service: Launched, cut: int
) -> None:
    before = job_ids(service)
    proxy.cuts.append(cut)
    job = await through.submit("a fox", **FAST)
    assert not proxy.cuts
    assert job_ids(service) - before == {job.id}


@pytest.mark.parametrize("cut", EVERYWHERE)
async def test_every_call_survives_a_lost_answer(through: AsyncSafelight, proxy: FaultProxy, cut: int) -> None:
    proxy.cuts.append(cut)
    file = await through.upload(encoded(gradient()))
    proxy.cuts.append(cut)
    assert await through.file(file) == file
    proxy.cuts.append(cut)
    assert [model.id for model in await through.models()]
    job = await through.submit("a fox", **LONG)
    proxy.cuts.append(cut)
    assert (await through.cancel(job)).id == job.id
    await through.wait(job)
    proxy.cuts.append(cut)
    await through.delete(job)
    with pytest.raises(refusals.UnknownJob):
        await through.delete(job)
    proxy.cuts.append(cut)
    await through.delete_file(file)
    assert not proxy.cuts


async def test_a_stream_that_is_cut_again_and_again_has_no_gap_and_no_repeat(
    through: AsyncSafelight, proxy: FaultProxy
) -> None:
    job = await through.submit("a fox", **FAST | {"num_inference_steps": 40})
    await through.wait(job)
    whole = [event async for event in through.events(job)]
    proxy.cuts.extend([0, 100, 900, 1300])
    assert [event async for event in through.events(job)] == whole
    assert not proxy.cuts


async def test_pictures_come_whatever_is_lost(through: AsyncSafelight, proxy: FaultProxy) -> None:
    undisturbed = await through.generate("a fox", seed=7, **FAST)
    proxy.cuts.extend([0, 20, WHOLE, 700, 0, 1200, WHOLE, 0, 1500])
    assert (await through.generate("a fox", seed=7, **FAST))[0].content == undisturbed[0].content


async def test_a_gateways_page_is_tried_again_and_then_told(through: AsyncSafelight, proxy: FaultProxy) -> None:
    proxy.answers.extend([GATEWAY_PAGE] * 2)
    assert await through.models()
    proxy.answers.extend([GATEWAY_PAGE] * 5)
    with pytest.raises(ServiceError, match="502 Bad Gateway") as told:
        await through.models()
    assert (told.value.code, told.value.status, told.value.num_tries) == ("unexpected_answer", 502, 5)


async def follow(client: AsyncSafelight, job: Job, see: Callable[[Event], None]) -> None:
    async for event in client.events(job):
        see(event)


async def test_who_follows_a_job_waits_for_a_service_that_is_gone_for_a_while(service: Launched) -> None:
    proxy = FaultProxy(service.address)
    async with proxy:
        client = AsyncSafelight(proxy.address)
        job = await client.submit("a fox", **LONG)
        events: list[Event] = []
        following = asyncio.ensure_future(follow(client, job, events.append))
        await wait_until_async(lambda: _is(len(events) > 3), 30)
    num_before = len(events)
    async with AsyncSafelight(service.address) as direct:
        await ended(direct, job)
        async with proxy:
            await asyncio.wait_for(following, 20)
        assert isinstance(events[-1], Ended)
        assert [event.id for event in events] == [event.id async for event in direct.events(job)]
        assert len(events) > num_before
    await client.close()


async def test_patience_ends(service: Launched) -> None:
    async with FaultProxy(service.address) as proxy, AsyncSafelight(proxy.address) as client:
        job = await client.submit("a fox", **LONG)
    async with AsyncSafelight(proxy.address, max_retries=1, reconnect_seconds=0.5) as hasty:
        with pytest.raises(ConnectionFailed, match=proxy.address) as failed:
            await hasty.job(job)
        assert failed.value.num_tries == 2
        with pytest.raises(ConnectionFailed):
            await hasty.wait(job)
    async with AsyncSafelight(service.address) as direct:
        await ended(direct, job)


async def _is(fact: bool) -> bool:
    return fact


def refused(status: int, code: str, retry_after: str | None = None) -> ServiceError:
    """What the client makes of an answer that says no."""
    headers = {} if retry_after is None else {"retry-after": retry_after}
    request = httpx.Request("GET", "http://test/v1/models")
    body = {"error": {"code": code, "message": "No.", "field": None, "request_id": "1"}}
    return said_no(httpx.Response(status, headers=headers, json=body, request=request))


def test_who_is_told_when_to_come_back_comes_then_and_not_before() -> None:
    assert pause_seconds(refused(503, "store_unavailable", "2")) == 2
    assert pause_seconds(refused(429, "queue_full", "61")) is None
    assert isinstance(refused(429, "queue_full", "61"), refusals.QueueFull)
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert 28 <= (pause_seconds(refused(503, "store_unavailable", soon)) or 0) <= 30
    past = format_datetime(datetime.now(UTC) - timedelta(seconds=30))
    assert pause_seconds(refused(503, "store_unavailable", past)) == 0
    for nonsense in ("soon", "-1", "1e9", ""):
        assert 0 < (pause_seconds(refused(503, "store_unavailable", nonsense)) or 0) < 0.3


def test_what_would_fail_again_is_not_tried_again_and_pauses_grow() -> None:
    assert pause_seconds(refused(422, "invalid_request", "1")) is None
    assert pause_seconds(refused(500, "internal_error")) is None
    failed = ConnectionFailed("lost")
    for num_tries, longest in ((1, 0.25), (2, 0.5), (5, 4), (6, 8), (20, 8)):
        failed.num_tries = num_tries
        assert longest / 2 <= (pause_seconds(failed) or 0) <= longest


def test_a_code_that_is_new_is_an_error_all_the_same() -> None:
    error = refused(418, "a_new_code")
    assert (type(error), error.code, str(error)) == (ServiceError, "a_new_code", "No.")
