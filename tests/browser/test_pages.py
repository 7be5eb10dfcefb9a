"""What holds for every view of the studio: for those who do not see it, for slow connections, and for its policy."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, Request, expect

from tests.browser.conftest import Scheme, opened
from tests.browser.desk import QUICK, fill, made
from tests.system.launched import Launched

pytestmark = pytest.mark.asyncio(loop_scope="session")

LARGEST_FIRST_LOAD_BYTES = 150_000


async def assert_accessible(page: Page, view: str) -> None:
    """axe-core finds nothing serious."""
    found = (await Axe().run(page)).response["violations"]
    serious = [violation for violation in found if violation["impact"] in ("serious", "critical")]
    assert serious == [], (view, [(one["id"], [node["html"] for node in one["nodes"]]) for one in serious])


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_every_view_is_accessible(browser: Browser, service: Launched, width: int, scheme: Scheme) -> None:
    async with opened(browser, service.address, width=width, scheme=scheme) as page:
        await page.goto("/")
        await expect(page.get_by_role("button", name="Generate")).to_be_visible()
        await assert_accessible(page, "nothing yet")
        await fill(page, "a fox", **QUICK | {"width": 10})
        await page.get_by_role("button", name="Generate").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await assert_accessible(page, "an error")
        page.complaints.take("422")  # type: ignore[attr-defined]
        picture = await made(page, "a fox")
        await assert_accessible(page, "results")
        await picture.click()
        await assert_accessible(page, "a picture")
        await assert_within(page)
        await page.get_by_role("button", name="Begin with it").click()
        for mode in ("Paint a part", "Extend it"):
            await page.get_by_role("button", name=mode).click()
            await assert_accessible(page, mode)
        await page.get_by_role("button", name="Grid").click()
        await assert_accessible(page, "a grid to be")
        await page.keyboard.press("Escape")
        await page.get_by_role("button", name="API key").click()
        await assert_accessible(page, "a key")
        await assert_within(page)


async def assert_within(page: Page) -> None:
    """Nothing is wider than the page."""
    assert await page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


async def test_the_first_load_is_small(browser: Browser, service: Launched) -> None:
    async with opened(browser, service.address) as page:
        requests: dict[str, Request] = {}
        page.on("requestfinished", lambda request: requests.update({request.url: request}))
        await page.goto("/", wait_until="networkidle")
        sizes = [(await request.sizes())["responseBodySize"] for request in requests.values()]
        assert len(sizes) > 20
        assert 0 < sum(sizes) <= LARGEST_FIRST_LOAD_BYTES
        assert all(url.startswith(service.address) for url in requests)
