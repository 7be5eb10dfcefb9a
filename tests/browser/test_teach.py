"""The page that teaches: pictures and captions are kept, a run is watched, cancelled, and what it learnt is used."""

import re
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, FilePayload, Page, expect

from tests.browser.conftest import Scheme, opened
from tests.browser.test_pages import assert_accessible, assert_within
from tests.pictures import encoded, gradient
from tests.system.launched import Launched

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEARNING_MILLISECONDS = 100_000
"""How long a run of few steps may take on a machine with much else to do."""


def payload(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "application/octet-stream", "buffer": content}


def pictures(number: int = 3) -> list[FilePayload]:
    return [payload(f"{at}.png", encoded(gradient(64, 64 + at))) for at in range(number)]


async def drop(page: Page, files: list[FilePayload]) -> None:
    """Chooses files, as a new data set where none is open."""
    await page.get_by_label("Pictures to learn from", exact=True).last.set_input_files(files)
    await expect(page.get_by_role("button", name="Add pictures")).to_be_enabled()


@pytest_asyncio.fixture(loop_scope="session")
async def teach(browser: Browser, service: Launched) -> AsyncIterator[Page]:
    """The page at a desk by night, with a data set of three pictures."""
    for listed in service.call("/v1/datasets")["data"]:
        await remove(browser, service, listed["id"])
    async with opened(browser, service.address) as page:
        await page.goto("/teach")
        await drop(page, pictures())
        yield page


async def remove(browser: Browser, service: Launched, dataset_id: str) -> None:
    async with opened(browser, service.address) as page:
        assert (await page.request.delete(f"{service.address}/v1/datasets/{dataset_id}")).ok


async def test_pictures_are_captioned_and_what_is_wrong_is_said(teach: Page, service: Launched) -> None:
    words = payload("1.txt", b"a gradient")
    await drop(teach, [words, payload("again.png", encoded(gradient(64, 64))), payload("text.png", b"no picture")])
    await expect(teach.locator(".wrong")).to_contain_text("again.png: The picture has the same pixels as 0.png.")
    await expect(teach.locator(".wrong")).to_contain_text("unsupported_file")
    await expect(teach.get_by_label("Caption of 1.png")).to_have_value("a gradient")
    await teach.get_by_label("Caption of 0.png").fill("a ramp")
    await teach.get_by_label("Caption of 0.png").blur()
    await expect(teach.get_by_text("3 pictures, 1 without a caption")).to_be_visible()
    await teach.get_by_role("button", name="Take out 2.png").click()
    await expect(teach.locator(".captioned li")).to_have_count(2)
    await teach.reload()
    await expect(teach.get_by_label("Caption of 0.png")).to_have_value("a ramp")
    shown = teach.get_by_role("img", name="a ramp")
    assert await shown.evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 64
    (dataset,) = service.call("/v1/datasets")["data"]
    assert dataset["num_pictures"] == 2
    await teach.get_by_role("button", name="Remove it").click()
    await expect(teach.get_by_role("button", name="Drop pictures of one thing")).to_be_visible()
    assert service.call("/v1/datasets")["data"] == []


async def begin(page: Page, steps: int) -> None:
    """Says how, and begins."""
    if await (trigger := page.get_by_label("Trigger: a word that nobody uses")).is_visible():
        await trigger.fill("zorbling")
    await page.get_by_text("Details", exact=True).click()
    for label, value in (("Steps", steps), ("Resolution", 64)):
        await page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))
    await expect(page.locator(".price")).to_contain_text("million pixel-steps")
    await page.get_by_role("button", name="Teach it").click()


async def test_a_run_is_watched_and_what_it_learnt_is_used(teach: Page, service: Launched) -> None:
    await begin(teach, steps=4)
    run = teach.locator(".run").first
    await expect(run).to_contain_text("Learnt: step 4 of 4", timeout=LEARNING_MILLISECONDS)
    await expect(run.get_by_role("img", name="Loss: from")).to_be_visible()
    await expect(run.get_by_role("img", name="After 4 steps: zorbling")).to_be_visible()
    await run.get_by_role("slider", name="Which grid").press("Home")
    await expect(run.get_by_role("img", name="After 4 steps")).to_have_count(0)
    await run.get_by_role("button", name="Make a picture").click()
    await expect(run.get_by_role("img", name="Made with it: zorbling")).to_have_attribute(
        "src", re.compile("/v1/artifacts/")
    )
    await assert_accessible(teach, "what was learnt")
    async with teach.expect_download() as saved:
        await run.get_by_role("button", name="Save").first.click()
    assert (await saved.value).suggested_filename.endswith(".safetensors")
    await run.get_by_role("link", name="Use it in the studio").click()
    await expect(teach.get_by_label("Prompt", exact=True)).to_have_value("zorbling")
    await expect(teach.get_by_role("slider", name="zorbling")).to_be_visible()
    await expect(teach).to_have_url(f"{service.address}/")


async def test_maps_are_taught_and_made(teach: Page) -> None:
    await teach.get_by_role("combobox", name="Data set").select_option("A new one")
    scenes = [payload(f"{at}{kind}.png", encoded(gradient(64 + at, 64))) for at in (0, 1) for kind in ("", ".target")]
    await drop(teach, scenes)
    await expect(teach.get_by_text("with its map")).to_have_count(2)
    await teach.get_by_label("What it becomes").select_option("image_conditional")
    await begin(teach, steps=2)
    run = teach.locator(".run").first
    await expect(run).to_contain_text("Learnt: step 2 of 2", timeout=LEARNING_MILLISECONDS)
    await run.get_by_label("Try it: a picture").set_input_files(payload("new.png", encoded(gradient(64, 64))))
    made = run.get_by_role("img", name="Made with it: a map")
    await expect(made).to_have_attribute("src", re.compile("/v1/artifacts/"))


async def test_a_run_is_cancelled(teach: Page, service: Launched) -> None:
    await begin(teach, steps=5000)
    run = teach.locator(".run").first
    await expect(run).to_contain_text("Learning: step", timeout=LEARNING_MILLISECONDS)
    await run.get_by_role("button", name="Cancel").click()
    await expect(run).to_contain_text("Cancelled", timeout=LEARNING_MILLISECONDS)
    run_id = await run.get_attribute("data-run")
    assert service.call(f"/v1/fine-tunes/{run_id}")["status"] == "cancelled"
    await run.get_by_role("button", name="Remove").click()
    await expect(teach.locator(f'[data-run="{run_id}"]')).to_have_count(0)


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_every_view_is_accessible(browser: Browser, service: Launched, width: int, scheme: Scheme) -> None:
    async with opened(browser, service.address, width=width, scheme=scheme) as page:
        await page.goto("/teach")
        await drop(page, [*pictures(2), payload("text.png", b"no picture")])
        await page.get_by_text("Details", exact=True).click()
        await assert_accessible(page, "pictures")
        await page.get_by_label("What it becomes").select_option("dreambooth")
        await page.get_by_role("button", name="Teach it").click()
        await expect(page.get_by_role("alert").first).to_be_visible()
        page.complaints.take("422")  # type: ignore[attr-defined]
        await assert_accessible(page, "an error")
        await assert_within(page)
