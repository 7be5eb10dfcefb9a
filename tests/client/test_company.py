"""Many callers at once, in one loop and in threads; and the blocking client within a running loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from safelight import AsyncSafelight, Pictures, Safelight
from safelight.settings import Settings
from tests.client.conftest import FAST, LONG
from tests.system.launched import Launched
from tests.waiting import wait_until_async

SEEDS = range(20)


@pytest.fixture
def alone(service: Launched) -> list[bytes]:
    """The picture of each seed, made in one job."""
    with Safelight(service.address) as client:
        pictures = client.generate("a fox", seed=SEEDS.start, num_images=16, **FAST)
        return [picture.content for picture in pictures]


async def test_twenty_clients_get_each_their_own_picture(service: Launched, alone: list[bytes]) -> None:
    async def generate(seed: int) -> Pictures:
        async with AsyncSafelight(service.address) as client:
            return await client.generate("a fox", seed=seed, **FAST)

    made = await asyncio.gather(*map(generate, SEEDS))
    assert [pictures[0].seed for pictures in made] == list(SEEDS)
    assert [pictures[0].content for pictures in made[: len(alone)]] == alone


def test_threads_may_share_a_client(service: Launched, alone: list[bytes]) -> None:
    with Safelight(service.address) as client, ThreadPoolExecutor(8) as threads:
        made = threads.map(lambda seed: client.generate("a fox", seed=seed, **FAST), range(8))
        assert [pictures[0].content for pictures in made] == alone[:8]


async def test_the_blocking_client_works_where_a_loop_runs(service: Launched) -> None:
    with Safelight(service.address) as client:
        job = client.generate("a fox", **FAST).job
        events = client.events(job)
        assert next(events).name == "queued"
        events.close()
        assert [event.name for event in client.events(job)][-1] == "succeeded"
        assert next(client.jobs()).kind == "generation"


async def test_who_stops_waiting_leaves_the_job_alone(service: Launched) -> None:
    async with AsyncSafelight(service.address) as client:
        job = await client.submit("a fox", **LONG)
        waiting = asyncio.ensure_future(client.pictures(job))

        async def runs() -> bool:
            return (await client.job(job)).status == "running"

        await wait_until_async(runs, 30)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await client.cancel(job)
        assert (await client.wait(job)).status == "cancelled"


def test_where_the_service_is_and_who_asks_may_be_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_ADDRESS", "http://test/images/")
    monkeypatch.setenv("SAFELIGHT_API_KEY", "a-key\n")
    settings = Settings.of(None, None)
    assert (settings.address, settings.headers["Authorization"]) == ("http://test/images", "Bearer a-key")
    assert "a-key" not in repr(settings)
    settings = Settings.of("https://other", "another-key", max_retries=0)
    assert (settings.address, settings.headers["Authorization"]) == ("https://other", "Bearer another-key")
    with pytest.raises(ValueError, match="localhost:8000"):
        Safelight("localhost:8000")
