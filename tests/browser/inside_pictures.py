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

QUALITY = 40
VIEWS: dict[str, tuple[int, Scheme, str]] = {
    "desk": (1280, "dark", "network"),
    "loop": (1280, "light", "loop"),
    "phone": (390, "light", "network"),
}
"""The width, the colours, and the station that is read."""


async def mute(page: Page) -> None:
    """A run, and the same with a word muted."""
    await page.goto("/inside")
    await page.get_by_role("button", name="Make it and look inside").click()
    await page.get_by_role("button", name="Mute “red”").click(timeout=60_000)
    await expect(page.get_by_text("Changed run:")).to_be_visible(timeout=60_000)


async def take(address: str, out: Path) -> None:
    """Every view, smaller by a third at a desk."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=EXECUTABLE, args=["--no-sandbox"])
        for name, (width, scheme, station) in VIEWS.items():
            async with opened(browser, address, width=width, scheme=scheme) as page:
                await mute(page)
                await page.evaluate(f"document.querySelector('#{station} .steps').scrollIntoView()")
                await page.mouse.move(0, 0)
                keep(await page.screenshot(), out / f"{name}.webp")


def keep(shot: bytes, path: Path) -> None:
    """Writes one picture."""
    picture = Image.open(BytesIO(shot)).convert("RGB")
    scale = 0.7 if picture.width > 500 else 1
    size = (round(picture.width * scale), round(picture.height * scale))
    picture.resize(size, Image.Resampling.LANCZOS).save(path, quality=QUALITY, method=6)


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
