"""The artifact store is full, or gone: jobs wait or fail as retryable, health says so, nothing half is served."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from tests.faults.site import Site, open_site
from tests.waiting import wait_until_async

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.alone]

PATIENCE_SECONDS = 6.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(tiny_catalogue: Path) -> AsyncIterator[Site]:
    settings = {"SAFELIGHT_ARTIFACT_PATIENCE_SECONDS": str(PATIENCE_SECONDS), "SAFELIGHT_LEASE_SECONDS": "5"}
    async with open_site(tiny_catalogue, **settings) as site:
        yield site


@pytest_asyncio.fixture(loop_scope="module")
async def site(shared: Site) -> AsyncIterator[Site]:
    """A site whose workers soon lose patience; all tests here share it, and the invariants hold after each."""
    yield shared
    await shared.check()


@contextmanager
def full(site: Site) -> Iterator[None]:
    """As on a full disk, the worker can make files, and write nothing of a picture's size into them."""
    parent = site.process("parent")
    parent.rlimit(psutil.RLIMIT_FSIZE, (1000, psutil.RLIM_INFINITY))
    try:
        yield
    finally:
        parent.rlimit(psutil.RLIMIT_FSIZE, (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY))


@contextmanager
def gone(site: Site) -> Iterator[None]:
    """Where the folder was there is nothing that can be written to, as where a disk is not mounted."""
    folder = site.installation.home / "artifacts"
    away = folder.rename(folder.with_name("away"))
    folder.write_text("")
    try:
        yield
    finally:
        folder.unlink()
        away.rename(folder)


async def until_health(site: Site, status: int) -> str:
    """What the service says of its health, once it does with this status."""

    async def answer() -> str | None:
        call = await site.ada.call("GET", "/readyz")
        return str(call.answer) if call.status == status else None

    return await wait_until_async(answer, 20)


@pytest.mark.parametrize("trouble", [pytest.param(full, marks=pytest.mark.faults_full), gone])
async def test_a_job_waits_for_a_store_that_comes_back(site: Site, trouble: type) -> None:
    with trouble(site):
        job_id = await site.ada.submit(num_images=2)
        assert "artifact_store_unavailable" in await until_health(site, 503)
        assert (await site.ada.call("GET", f"/v1/artifacts/{job_id.replace('job', 'art')}_0")).status == 404
    job = await site.ada.finish(job_id)
    assert (job["status"], job["attempt"], len(job["images"])) == ("succeeded", 1, 2)
    await until_health(site, 200)
    assert no_half_files(site)


@pytest.mark.parametrize("trouble", [full, pytest.param(gone, marks=pytest.mark.faults_full)])
async def test_a_job_fails_as_retryable_and_the_others_wait(site: Site, trouble: type) -> None:
    with trouble(site):
        victim = await site.ada.submit()
        await until_health(site, 503)
        spared = await site.ada.submit(seed=8)
        job = await site.ada.finish(victim)
        assert (job["status"], job["images"]) == ("failed", [])
        assert (job["error"]["code"], job["error"]["retryable"]) == ("artifact_store_unavailable", True)
        assert str(site.installation.home) not in str(job["error"])
        assert (await site.ada.read(spared) or {})["status"] == "queued"
    assert (await site.ada.finish(spared))["status"] == "succeeded"
    await until_health(site, 200)
    assert no_half_files(site)


def no_half_files(site: Site) -> bool:
    """Whether every file of a job is one that was published."""
    folder = site.installation.home / "artifacts"
    return not [path for path in folder.rglob("*") if path.is_file() and "#" in path.name]
