"""The store is killed, frozen, slow, or out of reach in the middle of jobs: they end once, and nobody dies of it."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from contract.scripts import ScriptName, read_scripts
from tests.faults.client import BODY
from tests.faults.outages import everybody_stays, is_back, kill, refuses
from tests.faults.site import Site, is_gone
from tests.faults.small_disk import SmallInstallation, small_disk
from tests.faults.store_proxy import StoreProxy
from tests.waiting import wait_until_async

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.alone]

LONG = {"num_inference_steps": 10_000}

PATIENCE_SECONDS = 8.0
"""How long the workers here wait for the artifact store."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxied(tiny_catalogue: Path) -> AsyncIterator[tuple[Site, StoreProxy]]:
    """A site whose API and worker reach their store through a proxy; all tests here share it."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        installation = SmallInstallation(Path(folder), tiny_catalogue)
        async with StoreProxy(f"unix://{installation.socket}") as proxy, AsyncExitStack() as stack:
            installation.disk = stack.enter_context(small_disk(Path(folder) / "disk"))
            installation.environment |= {
                "SAFELIGHT_REDIS_URL": proxy.address,
                "SAFELIGHT_ARTIFACT_PATIENCE_SECONDS": str(PATIENCE_SECONDS),
            }
            site = Site(installation, under_test=False)
            stack.push_async_callback(site.close)
            await site.open()
            yield site, proxy


@pytest_asyncio.fixture(loop_scope="module")
async def site(proxied: tuple[Site, StoreProxy]) -> AsyncIterator[Site]:
    """That site; the invariants hold after each test, and nobody has died.

    The store knows all scripts: that one is unknown would be lost instead of its answer.
    """
    for source in read_scripts().values():
        await proxied[0].installation.connection.redis.script_load(source)
    async with everybody_stays(proxied[0]):
        yield proxied[0]
        await proxied[0].check()


@pytest.fixture
def proxy(proxied: tuple[Site, StoreProxy]) -> StoreProxy:
    return proxied[1]


@asynccontextmanager
async def jobs_in_work(site: Site) -> AsyncIterator[str]:
    """Some jobs run, in company and longer than what happens meanwhile, and one is followed; all end in their first
    attempt.
    """
    running = await site.ada.submit(**LONG)
    await site.ada.until_step(running, 5)
    others = [await site.ada.submit(seed=seed, num_inference_steps=50) for seed in range(4)]
    async with site.ada.following(running) as follower:
        yield running
        ended = [await site.ada.finish(job_id) for job_id in others]
        await site.ada.call("POST", f"/v1/jobs/{running}/cancel")
        ended.append(await site.ada.finish(running))
        await asyncio.wait_for(follower, 30)
    assert [job["status"] for job in ended] == ["succeeded"] * len(others) + ["cancelled"]
    assert {job["attempt"] for job in ended} == {1}, ended


KILLED_SECONDS = [10, pytest.param(30, marks=pytest.mark.faults_full)]
NUM_LOST = [pytest.param(1, marks=pytest.mark.faults_full), 2, pytest.param(5, marks=pytest.mark.faults_full)]


@pytest.mark.parametrize("seconds", KILLED_SECONDS)
async def test_the_store_is_killed_and_started_again(site: Site, seconds: float) -> None:
    async with jobs_in_work(site) as running:
        await kill(site, "store")
        await refuses(site, seconds)
        site.start("store")
        await is_back(site, running)


@pytest.mark.faults_full
@pytest.mark.parametrize("seconds", [4, 20])
async def test_the_store_is_frozen(site: Site, seconds: float) -> None:
    async with jobs_in_work(site) as running:
        site.process("store").suspend()
        await refuses(site, seconds)
        site.process("store").resume()
        await is_back(site, running)


@pytest.mark.faults_full
async def test_connections_are_reset(site: Site, proxy: StoreProxy) -> None:
    async with jobs_in_work(site) as running:
        for seed in range(20):
            await proxy.reset()
            await site.ada.submit(seed=seed)
        await is_back(site, running)


async def test_connections_die_unnoticed(site: Site, proxy: StoreProxy) -> None:
    async with jobs_in_work(site) as running:
        proxy.dead = True
        await refuses(site, 1)
        proxy.dead = False
        await is_back(site, running)


@pytest.mark.faults_full
async def test_the_way_to_the_store_is_slow(site: Site, proxy: StoreProxy) -> None:
    async with jobs_in_work(site):
        proxy.delay_seconds = 0.2
        for seed in range(5):
            started_at = time.monotonic()
            await site.ada.submit(seed=seed)
            assert time.monotonic() - started_at < 2
        proxy.delay_seconds = 0


SCRIPTS: list[ScriptName] = ["admit", "claim", "renew", "report", "publish_image", "settle"]


@pytest.mark.parametrize("num_times", NUM_LOST)
async def test_answers_are_lost(site: Site, proxy: StoreProxy, num_times: int) -> None:
    """Each of the scripts that a job needs is carried out, and nobody hears of it, once or time after time."""
    for script in SCRIPTS:
        proxy.lose(script, num_times)
        job = await site.ada.finish(await site.ada.submit(num_inference_steps=30))
        assert (job["status"], job["attempt"]) == ("succeeded", 1), script
    proxy.losing.clear()


async def test_an_answer_that_is_lost_once_makes_no_second_job(site: Site, proxy: StoreProxy) -> None:
    """Without an idempotency key, too: the store is asked again by the same call, about the same job."""
    before = len((await site.clients["ben"].call("GET", "/v1/jobs")).jobs)
    proxy.lose("admit")
    admission = await site.clients["ben"].call("POST", "/v1/generations", body=BODY)
    assert (admission.status, proxy.losing.popitem()[1]) == (202, 0)
    await site.clients["ben"].finish(admission.answer["id"])
    assert len((await site.clients["ben"].call("GET", "/v1/jobs")).jobs) == before + 1


async def test_a_cancellation_whose_answer_is_lost_is_one(site: Site, proxy: StoreProxy) -> None:
    job_id = await site.ada.submit(**LONG)
    await site.ada.until_step(job_id, 1)
    proxy.lose("cancel", 2)
    assert (await site.ada.call("POST", f"/v1/jobs/{job_id}/cancel")).status == 503
    assert (await site.ada.finish(job_id))["status"] == "cancelled"
    proxy.losing.clear()


@pytest.mark.faults_full
async def test_the_disk_of_the_store_is_slow(site: Site) -> None:
    redis = site.installation.connection.redis
    async with jobs_in_work(site):
        await redis.execute_command("DEBUG", "AOF-FLUSH-SLEEP", 150_000)
        for seed in range(5):
            started_at = time.monotonic()
            await site.ada.submit(seed=seed)
            assert time.monotonic() - started_at < 2
        await redis.execute_command("DEBUG", "AOF-FLUSH-SLEEP", 0)


async def test_the_disk_of_the_store_is_full(site: Site) -> None:
    """The store ends rather than promise what it cannot keep, and so does each that is started in its place."""
    assert isinstance(site.installation, SmallInstallation)
    if (disk := site.installation.disk) is None:
        pytest.skip("nobody may mount a disk here")
    async with jobs_in_work(site) as running:
        disk.fill()
        for _ in range(2):
            await wait_until_async(lambda: _ends_of(site), 10)
            site.start("store")
        await wait_until_async(lambda: _ends_of(site), 10)
        await refuses(site, 1)
        disk.free()
        site.start("store")
        await is_back(site, running)


async def _ends_of(site: Site) -> bool:
    """Whether the store has ended of what it was asked to keep."""
    await site.ada.call("POST", "/v1/generations", body=BODY, key=f"full at {time.monotonic()}")
    return is_gone(site.process("store"))
