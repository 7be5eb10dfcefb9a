"""What the tests of the pages share: one browser, pages whose every complaint fails the test, and the whole service."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest
import pytest_asyncio
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.system.launched import Launched

EXECUTABLE = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

PATIENCE_MILLISECONDS = 40_000
"""How long something may take on a machine that has much else to do."""

Scheme = Literal["dark", "light"]

SIZES = {1280: 900, 390: 844}
"""The widths that pages are tried at, with their heights: a desk and a phone."""


@dataclass
class Complaints:
    """What a page's console says that it should not have to. Tests that provoke something take it out."""

    texts: list[str] = field(default_factory=list)

    def note(self, message: ConsoleMessage) -> None:
        """Keeps errors and warnings."""
        if message.type in ("error", "warning"):
            self.texts.append(message.text)

    def take(self, part: str) -> None:
        """Forgets what was expected, which must have been said."""
        assert any(part in text for text in self.texts), self.texts
        self.texts = [text for text in self.texts if part not in text]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests."""
    if EXECUTABLE is None:
        pytest.skip("there is no Chromium on PATH")
    expect.set_options(timeout=PATIENCE_MILLISECONDS)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=EXECUTABLE, args=["--no-sandbox"] if os.geteuid() == 0 else []
        )
        yield browser
        await browser.close()


@asynccontextmanager
async def opened(
    browser: Browser, address: str, *, width: int = 1280, scheme: Scheme = "dark", **options: Any
) -> AsyncIterator[Page]:
    """A page of a person who has never been here; its console must have stayed silent in the end."""
    complaints = Complaints()
    context = await browser.new_context(
        base_url=address,
        viewport={"width": width, "height": SIZES[width]},
        color_scheme=scheme,
        has_touch=width < 500,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(PATIENCE_MILLISECONDS)
    page = await context.new_page()
    page.on("console", complaints.note)
    page.on("pageerror", lambda error: complaints.texts.append(str(error)))
    page.complaints = complaints  # type: ignore[attr-defined]
    try:
        yield page
        assert complaints.texts == []
    finally:
        await context.close()


@pytest_asyncio.fixture(loop_scope="session")
async def studio(browser: Browser, service: Launched) -> AsyncIterator[Page]:
    """The studio at a desk, by night, of the service that all tests share."""
    async with opened(browser, service.address) as page:
        await page.goto("/")
        yield page
