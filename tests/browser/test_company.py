"""Pages behind lost connections and behind keys."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect

from contract.artifact_store import ArtifactStore
from contract.job_store import JobStore
from contract.leases import Leases
from contract.store_connection import StoreConnection
from tests.app import conftest as application
from tests.app.conftest import Api, Player
from tests.app.keys import make_key
from tests.browser.conftest import opened
from tests.browser.desk import QUICK, fill, generate, pictures
from tests.fault_proxy import FaultProxy
from tests.pictures import encoded
from tests.system.launched import Launched

pytestmark = pytest.mark.asyncio(loop_scope="session")

artifacts_folder = application.artifacts_folder
start = application.start

NATURAL_WIDTH = "(image) => image.decode().then(() => image.naturalWidth)"

FOLLOW = """async (id) => {
    const { follow } = await import('/web/shared/events.js');
    const ids = [];
    window.seen = ids;
    for await (const event of follow(`/v1/jobs/${id}/events?previews=true`)) ids.push(event.id);
    return ids;
}"""


async def test_events_go_on_where_a_connection_was_cut(browser: Browser, service: Launched) -> None:
    async with FaultProxy(service.address) as proxy, opened(browser, proxy.address) as page:
        await page.goto("/")
        body = {"prompt": "a fox", "num_inference_steps": 100, "height": 64, "width": 64}
        job_id = service.call("/v1/generations", body)["id"]
        await page.evaluate(f"(id) => {{ window.all = ({FOLLOW})(id); }}", job_id)
        for more in (3, 8):
            await page.wait_for_function("(more) => window.seen?.length > more", arg=more)
            await proxy.reset()
        ids = await page.evaluate("() => window.all")
        page.complaints.take("ERR_CONNECTION_RESET")  # type: ignore[attr-defined]
    async with httpx.AsyncClient(base_url=service.address) as client:
        whole = (await client.get(f"/v1/jobs/{job_id}/events?previews=true")).text
    assert ids == [line.removeprefix("id: ") for line in whole.splitlines() if line.startswith("id: ")]


async def test_a_picture_comes_although_nobody_could_be_reached(browser: Browser, service: Launched) -> None:
    proxy = FaultProxy(service.address)
    async with proxy, opened(browser, proxy.address) as page:
        await page.goto("/")
        await fill(page, "a whale", steps=120, width=64, height=64)
        await generate(page)
        await expect(page.locator(".tile.running")).to_contain_text("Step ")
        await proxy.__aexit__(None, None, None)
        await expect(page.get_by_text("The connection is lost.")).to_be_visible()
        await proxy.__aenter__()
        await expect(pictures(page, "a whale")).to_be_visible()
        await expect(page.get_by_text("The connection is lost.")).to_have_count(0)
        page.complaints.take("ERR_CONNECTION")  # type: ignore[attr-defined]


async def test_an_answer_that_was_lost_makes_no_second_job(browser: Browser, service: Launched) -> None:
    async with FaultProxy(service.address) as proxy, opened(browser, proxy.address) as page:
        await page.goto("/")
        await fill(page, "a lonely tree", **QUICK)
        await proxy.reset()  # What is sent over an old connection, browsers send again by themselves.
        proxy.cuts.append(0)
        await generate(page)
        await expect(pictures(page, "a lonely tree")).to_have_count(1)
        assert proxy.num_lost == 1
        page.complaints.take("ERR_")  # type: ignore[attr-defined]
    jobs = service.call("/v1/jobs?limit=100")["data"]
    assert [job["request"]["prompt"] for job in jobs].count("a lonely tree") == 1


async def test_a_service_with_keys_asks_for_one(
    browser: Browser, start: Callable[..., Api], store_url: str, artifacts_folder: object
) -> None:
    connection = StoreConnection(store_url)
    key = await make_key(connection, "acme")
    api = start()
    async with opened(browser, api.url) as page:
        await page.goto("/")
        await give_key(page, "sl_wrong")
        await give_key(page, str(key))
        await fill(page, "a red apple")
        await generate(page)
        await expect(page.locator(".tile.running")).to_have_count(1)
        player = Player(
            Leases(connection, lease_seconds=15, max_attempts=3, retention_seconds=3600),
            JobStore(connection, retention_seconds=3600).of("acme"),
            ArtifactStore(artifacts_folder.as_uri()),  # type: ignore[attr-defined]
        )
        lease = await player.claim()
        await player.publish(lease, content=encoded(large_picture()))
        await player.settle(lease)
        small = pictures(page, "a red apple").locator("img")
        assert await small.evaluate(NATURAL_WIDTH) == 256
        await pictures(page, "a red apple").click()
        await page.wait_for_function("() => document.querySelector('dialog img').naturalWidth === 600")
        await page.reload()
        await expect(page.get_by_role("button", name="Generate")).to_be_visible()
        await expect(page.get_by_role("dialog")).to_have_count(0)
        page.complaints.take("401")  # type: ignore[attr-defined]
    await connection.close()


def large_picture() -> Image.Image:
    """One that is too large to be kept in the browser whole."""
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (500, 600, 3), dtype=np.uint8))


async def give_key(page: Page, text: str) -> None:
    """Answers the page's question for a key."""
    dialog = page.get_by_role("dialog")
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("Key", exact=True).fill(text)
    await dialog.get_by_role("button", name="Use this key").click()
