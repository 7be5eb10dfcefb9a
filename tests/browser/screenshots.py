"""Pictures of every view of the studio, for docs/studio.md: `python -m tests.browser.screenshots --out docs/studio`."""

import argparse
import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.conftest import EXECUTABLE, PATIENCE_MILLISECONDS, Scheme, opened
from tests.browser.desk import fill, generate, made, pictures
from tests.system.installation import ROOT
from tests.system.launched import launch

PROMPTS = ("a red apple", "a fox on a green background", "a rocket on a blue background", "a snowman", "a car")
WHOLE = {"steps": 20, "width": 128, "height": 128}
QUALITY = 30
SCALES = {1280: 0.45, 390: 0.58}
"""How much smaller a width is shown, so that all of them are less than 65 kB."""

View = Callable[[Page], Awaitable[None]]


async def nothing(page: Page) -> None:
    """Before the first picture."""


async def results(page: Page) -> None:
    """Some pictures, and one in the making."""
    for seed, prompt in enumerate(PROMPTS):
        await made(page, prompt, **WHOLE, seed=seed + 7)
    await fill(page, "a cat to the left of a pizza", steps=150, pictures=4)
    await generate(page)
    await expect(page.locator(".tile.running img")).to_be_visible()
    await page.locator(".results-head").scroll_into_view_if_needed()


async def picture(page: Page) -> None:
    """One of them, opened."""
    await made(page, "a fox on a green background", **WHOLE, seed=8)
    await pictures(page, "a fox on a green background").click()


async def begin(page: Page, mode: str) -> None:
    await made(page, "a dog on a green background", **WHOLE, seed=1)
    await pictures(page, "a dog on a green background").click()
    await page.get_by_role("button", name="Begin with it").click()
    await page.get_by_role("button", name=mode).click()


async def paint(page: Page) -> None:
    """A mask."""
    await begin(page, "Paint a part")
    surface = page.get_by_role("application")
    for key in (" ", "ArrowUp", " ", "ArrowUp", " ", "ArrowRight", " "):
        await surface.press(key)
    await surface.scroll_into_view_if_needed()


async def extend(page: Page) -> None:
    """A frame."""
    await begin(page, "Extend it")
    right = page.get_by_role("slider", name="Right")
    await right.press("ArrowRight")
    await right.press("ArrowRight")
    await page.locator(".frame-editor").scroll_into_view_if_needed()


async def grid(page: Page) -> None:
    """A sheet."""
    await fill(page, "a red apple", **WHOLE, seed=7)
    await page.get_by_role("button", name="Grid").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Values across").fill("1, 2.5, 5")
    await form.get_by_label("Values down").fill("5, 10, 20")
    await form.get_by_role("button", name="Make 9 pictures").click()
    await page.get_by_role("button", name="Open the grid: a red apple").click()
    await expect(page.locator(".sheet img:not(.preview)")).to_have_count(9)


async def error(page: Page) -> None:
    """What the API refuses."""
    await fill(page, "a fox", steps=500)
    await generate(page)
    await expect(page.get_by_role("alert")).to_be_visible()
    page.complaints.take("422")  # type: ignore[attr-defined]


VIEWS: dict[str, tuple[View, Scheme]] = {
    "nothing": (nothing, "dark"),
    "results": (results, "light"),
    "picture": (picture, "dark"),
    "paint": (paint, "dark"),
    "extend": (extend, "light"),
    "grid": (grid, "dark"),
    "error": (error, "dark"),
}


def keep(shot: bytes, path: Path, scale: float) -> None:
    """Writes what a page of the documentation shows; elsewhere, the whole of it beside that."""
    picture = Image.open(BytesIO(shot)).convert("RGB")
    small = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.LANCZOS)
    small.save(path.with_suffix(".webp"), quality=QUALITY, method=6)
    if path.parent != ROOT / "docs/studio":
        picture.save(path.with_suffix(".png"))


async def take(browser: Browser, address: str, out: Path, names: list[str]) -> None:
    """Views at two widths."""
    for name in names:
        show, scheme = VIEWS[name]
        for width, scale in SCALES.items():
            async with opened(browser, address, width=width, scheme=scheme) as page:
                await page.goto("/")
                await expect(page.get_by_role("button", name="Generate")).to_be_visible()
                await show(page)
                keep(await page.screenshot(), out / f"{name}-{width}", scale)


async def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir()) / "studio")
    parser.add_argument("--address", help="of a running service; by default one is started")
    parser.add_argument("views", nargs="*", default=[name for name in VIEWS if name != "error"])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    services = launch(ROOT / "models.toml") if arguments.address is None else iter(())
    address = arguments.address or next(services).address
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        await take(browser, address, arguments.out.resolve(), arguments.views)
    for _ in services:
        pass


if __name__ == "__main__":
    asyncio.run(main())
