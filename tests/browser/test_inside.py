"""The walk inside: stations show this run, knobs change the picture as they say, a link brings the view back."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import SIZES, Scheme, opened
from tests.system.launched import Launched

pytestmark = pytest.mark.asyncio(loop_scope="session")

BASE = {"prompt": "a red apple", "seed": 7, "num_inference_steps": 10}
EVERYTHING = {"attention": True, "latents": True, "guidance": True, "text": True, "autoencoder": True}
STATIONS = ("words", "text", "noise", "network", "guidance", "loop", "autoencoder")
MAX_FIRST_LOAD_BYTES = 150_000
RUN_MILLISECONDS = 60_000
"""How long a run may take on a machine with much else to do; tests go on as soon as it is there."""

NUM_DIFFERENT_PIXELS = """canvases => canvases.map(canvas => {
    const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
    return new Set(pixels).size;
})"""

Act = Callable[[Page], Awaitable[None]]


@pytest.fixture(scope="session")
def base(service: Launched) -> dict[str, Any]:
    """The run that most tests look into."""
    return made(service, **BASE, trace=EVERYTHING)


def made(service: Launched, **request: Any) -> dict[str, Any]:
    """The ended job of a request."""
    job: dict[str, Any] = service.call("/v1/generations", request, Prefer="wait=60")
    assert job["status"] == "succeeded", job
    return job


@pytest_asyncio.fixture(loop_scope="session")
async def inside(browser: Browser, service: Launched, base: dict[str, Any]) -> AsyncIterator[Page]:
    """The page on the base, at a desk by night."""
    async with opened(browser, service.address) as page:
        await page.goto(f"/inside?job={base['id']}&step=5&word=2")
        await expect(page.locator(".status")).to_contain_text("Done.", timeout=RUN_MILLISECONDS)
        yield page


def digests(page: Page) -> Any:
    """The digests of the pictures at the top: the base, and the changed one."""
    return page.locator("[data-sha256]").evaluate_all("pictures => pictures.map(one => one.dataset.sha256)")


async def changed(page: Page, act: Act) -> str:
    """The digest of the picture of the changed run that this brings; the base stays what it was."""
    (before, *_) = await digests(page)
    await act(page)
    await expect(page.get_by_text("Changed run:")).to_be_visible(timeout=RUN_MILLISECONDS)
    base, other = await digests(page)
    assert base == before
    return str(other)


async def test_one_click_shows_every_station_numbers_of_this_run(browser: Browser, service: Launched) -> None:
    async with opened(browser, service.address) as page:
        await page.goto("/inside")
        await expect(page.get_by_text("Nothing to see yet")).to_have_count(len(STATIONS))
        await page.get_by_role("button", name="Make it and look inside").click()
        await expect(page.get_by_text("Done. Walk down")).to_be_visible(timeout=RUN_MILLISECONDS)
        for station in STATIONS[2:]:
            canvases = page.locator(f"#{station} figure > canvas")
            counts = await canvases.evaluate_all(NUM_DIFFERENT_PIXELS)
            assert min(counts) > 1, (station, counts)
        assert await page.locator("#network .blocks").get_by_role("img", name="hears “red”").count() > 3
        tokens = await page.locator("#words .tokens b").all_inner_texts()
        assert tokens[1:4] == ["a", "red", "apple"]
        cosines = [float(text) for text in await page.locator("#text td").all_inner_texts() if text]
        assert len(cosines) == len(tokens) ** 2
        assert 1.0 in cosines
        assert min(cosines) < 0.9
        assert await page.locator("#noise .curve circle, #loop .curve circle, #guidance .curve circle").count() == 3


def _press(station: str, name: str) -> Act:
    async def press(page: Page) -> None:
        await page.locator(f"#{station}").get_by_role("button", name=name).click()

    return press


async def _skip_a_block(page: Page) -> None:
    await page.get_by_text("Or leave a whole block out").click()
    await page.locator("#network details select").select_option("mid_block.attentions.0")
    await page.get_by_role("button", name="Skip it").click()


async def _change_the_size(page: Page) -> None:
    await page.get_by_label("Width and height").select_option("64")
    await page.get_by_role("button", name="Make it in that size").click()


async def _branch_with_other_words(page: Page) -> None:
    await page.get_by_label(re.compile("Words from step")).fill("a banana")
    await page.get_by_role("button", name="Branch off at step 5").click()


async def _turn_the_scale(page: Page, scale: str) -> None:
    await page.get_by_label(re.compile("^Guidance scale")).fill(scale)


KNOBS: dict[str, tuple[Act, str]] = {
    "take a word away": (_press("words", "Take it away"), "prompt “red apple” instead of “a red apple”"),
    "exchange a word": (_press("words", "Exchange it"), "prompt “green red apple”"),
    "another sentence": (_press("text", "Let it hear that"), "prompt “a green apple”"),
    "another seed": (_press("noise", "Start from this noise"), "seed 8 instead of 7"),
    "mute a word": (_press("network", "Mute “red”"), "“red” muted"),
    "hear it louder": (_press("network", "Do that"), "“red” heard 2 times as much"),
    "skip a block": (_skip_a_block, "skipped"),
    "a negative scale": (lambda page: _turn_the_scale(page, "-2"), "guidance -2"),
    "a classifier": (_press("guidance", "Nudge instead"), "classifier towards animals"),
    "no words": (_press("guidance", "Nudge without"), "prompt “” instead of “a red apple”"),
    "a branch": (_branch_with_other_words, "branched off at step 5; prompt “a banana”"),
    "another size": (_change_the_size, "width 64 instead of 128"),
}


@pytest.mark.parametrize("knob", KNOBS)
async def test_each_knob_changes_the_picture_and_says_how(inside: Page, knob: str) -> None:
    act, said = KNOBS[knob]
    (base,) = await digests(inside)
    assert await changed(inside, act) != base
    await expect(inside.locator(".status")).to_contain_text(said)
    await expect(inside.locator("#network .run.changed canvas").first).to_be_visible()


async def test_scale_1_is_the_conditional_prediction(inside: Page, service: Launched) -> None:
    other = await changed(inside, lambda page: _turn_the_scale(page, "1"))
    assert other == made(service, **BASE, guidance_scale=1.0)["images"][0]["sha256"]


async def test_a_branch_with_nothing_changed_is_the_base(inside: Page) -> None:
    (base,) = await digests(inside)
    assert await changed(inside, _press("loop", "Branch off at step 5")) == base
    await expect(inside.locator(".status")).to_contain_text("the same file, to the last bit")


async def test_the_changed_run_can_become_the_base(inside: Page) -> None:
    other = await changed(inside, _press("noise", "Start from this noise"))
    await inside.get_by_role("button", name="Go on from the changed one").click()
    await expect(inside.locator("[data-sha256]")).to_have_count(1)
    assert await digests(inside) == [other]
    await changed(inside, _press("network", "Mute “red”"))
    await expect(inside.locator(".status")).to_contain_text("“red” muted")
    await expect(inside.locator(".status")).not_to_contain_text("seed")


async def test_pointing_at_a_word_shows_where_it_is_heard(inside: Page) -> None:
    pixels = "canvas => canvas.toDataURL()"
    heard = inside.locator("#network figure > canvas.smooth").first
    red = await heard.evaluate(pixels)
    await inside.locator("#network").get_by_role("button", name="apple").focus()
    await expect(inside.locator("#network")).to_contain_text("Where “apple” is heard at step 5")
    assert await heard.evaluate(pixels) != red


async def test_the_dot_and_the_tiles_follow_the_step(inside: Page) -> None:
    dot, tile = inside.locator("#noise circle"), inside.locator("#loop figure canvas").first
    before = await dot.get_attribute("cx"), await tile.evaluate("canvas => canvas.toDataURL()")
    await inside.locator("#loop-step").fill("8")
    await expect(inside.locator("#loop")).to_contain_text("Step 8: σ")
    after = await dot.get_attribute("cx"), await tile.evaluate("canvas => canvas.toDataURL()")
    assert all(one != other for one, other in zip(before, after, strict=True))


async def test_a_link_brings_the_view_back(browser: Browser, service: Launched, inside: Page) -> None:
    await changed(inside, _press("noise", "Start from this noise"))
    await inside.locator("#loop-step").fill("3")
    await expect(inside).to_have_url(re.compile("step=3"))
    async with opened(browser, service.address) as other:
        await other.goto(inside.url)
        await expect(other.get_by_text("Changed run: seed 8")).to_be_visible()
        assert await digests(other) == await digests(inside)
        assert await other.locator("#noise-step").input_value() == "3"
        await expect(other.get_by_role("button", name="Mute “red”")).to_be_visible()


async def test_a_job_without_a_trace_is_made_again_with_one(browser: Browser, service: Launched) -> None:
    job = made(service, **BASE, num_images=2)
    async with opened(browser, service.address) as page:
        await page.goto(f"/inside?job={job['id']}")
        await expect(page.get_by_text("Done.")).to_be_visible(timeout=RUN_MILLISECONDS)
        assert await digests(page) == [job["images"][0]["sha256"]]
        assert job["id"] not in page.url


async def test_a_link_to_nothing_says_so(browser: Browser, service: Launched) -> None:
    async with opened(browser, service.address) as page:
        await page.goto("/inside?job=job_00000000000000000000000000000000")
        await expect(page.get_by_role("alert")).to_contain_text("unknown_job")
        page.complaints.take("404")  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", SIZES)
async def test_the_drawing_leads_to_the_stations(
    browser: Browser, service: Launched, base: dict[str, Any], width: int
) -> None:
    async with opened(browser, service.address, width=width) as page:
        await page.goto(f"/inside?job={base['id']}")
        await expect(page.get_by_text("Done.")).to_be_visible(timeout=RUN_MILLISECONDS)
        drawing = page.get_by_role("navigation", name="The model, block by block")
        for number, station in enumerate(STATIONS, 1):
            block = drawing.get_by_role("link", name=f"Station {number}:")
            await block.click()
            await expect(block).to_have_attribute("aria-current", "true")
            await expect(page.locator(f"#{station} h2")).to_be_in_viewport()
            await expect(drawing).to_be_in_viewport()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", SIZES)
async def test_axe_finds_no_serious_fault(
    browser: Browser, service: Launched, base: dict[str, Any], width: int, scheme: Scheme
) -> None:
    async with opened(browser, service.address, width=width, scheme=scheme) as page:
        await page.goto(f"/inside?job={base['id']}&branch={base['id']}")
        await expect(page.get_by_text("the same file, to the last bit")).to_be_visible()
        found = (await Axe().run(page)).response["violations"]
        assert [one for one in found if one["impact"] in ("serious", "critical")] == []
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_the_first_load_is_small_and_its_sources_are_there(browser: Browser, service: Launched) -> None:
    async with opened(browser, service.address) as page:
        await page.goto("/inside", wait_until="networkidle")
        entries = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        num_bytes = await page.evaluate(f"{entries}.reduce((sum, one) => sum + one.encodedBodySize, 0)")
        assert 0 < num_bytes < MAX_FIRST_LOAD_BYTES
        links = await page.locator("footer a:has(code)").evaluate_all("links => links.map(link => link.href)")
        assert len(links) == len(STATIONS)
        for link in links:
            answer = await page.request.get(link)
            assert answer.ok, link
            assert (await answer.text()).startswith('"""')
