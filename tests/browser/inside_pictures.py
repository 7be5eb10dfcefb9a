"""Pictures of the walk inside, for docs/inside.md: `python -m tests.browser.inside_pictures --out docs/inside`."""

import argparse
import asyncio
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.async_api import Page, async_playwright, expect

from tests.browser.conftest import EXECUTABLE, Scheme, opened
from tests.system.installation import ROOT
from tests.system.launched import launch

VIEWS: dict[str, tuple[int, Scheme, str]] = {
    "desk": (1280, "dark", "network"),
    "loop": (1280, "light", "loop"),
    "phone": (390, "light", "network"),
}
"""The width, the colours, and the station that is read."""

WHOLE: dict[str, tuple[int, Scheme]] = {"whole-1280": (1280, "dark"), "whole-390": (390, "light")}
"""All stations, one below the other."""

MOST_BYTES = {"desk": 14_500, "loop": 14_500, "phone": 12_000, "whole-1280": 20_000, "whole-390": 20_000}
QUALITIES = {"whole-1280": 10, "whole-390": 10}
"""Of those that are an overview; the others have 22."""

SCALES = [1 - step / 20 for step in range(15)]


async def make(page: Page) -> None:
    """A run."""
    await page.goto("/inside")
    await page.get_by_role("button", name="Make it and look inside").click()
    await expect(page.get_by_text("Done.")).to_be_visible(timeout=60_000)


async def mute(page: Page, station: str) -> None:
    """A run, the same with a word muted, and one station of both."""
    await make(page)
    await page.get_by_role("button", name="Mute “red”").click()
    await expect(page.get_by_text("Changed run:")).to_be_visible(timeout=60_000)
    await page.evaluate(f"document.querySelector('#{station} .steps').scrollIntoView()")
    await page.mouse.move(0, 0)


async def take(address: str, out: Path) -> None:
    """Every view."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        for name, (width, scheme, station) in VIEWS.items():
            async with opened(browser, address, width=width, scheme=scheme) as page:
                await mute(page, station)
                keep(await page.screenshot(), out, name)
        for name, (width, scheme) in WHOLE.items():
            async with opened(browser, address, width=width, scheme=scheme) as page:
                await make(page)
                keep(await page.screenshot(full_page=True), out, name)


def keep(shot: bytes, out: Path, name: str) -> None:
    """Writes one picture, as large as its bytes allow."""
    picture = Image.open(BytesIO(shot)).convert("RGB")
    for scale in SCALES:
        size = (round(picture.width * scale), round(picture.height * scale))
        content = BytesIO()
        picture.resize(size, Image.Resampling.LANCZOS).save(content, "webp", quality=QUALITIES.get(name, 22), method=6)
        if content.tell() <= MOST_BYTES[name]:
            break
    (out / f"{name}.webp").write_bytes(content.getvalue())


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "docs/inside")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    for service in launch(ROOT / "models.toml"):
        asyncio.run(take(service.address, out))


if __name__ == "__main__":
    main()
