"""What a person does in the studio, in one place: fields filled, pictures made and waited for."""

from typing import Any

import httpx
from playwright.async_api import Locator, Page, expect

QUICK: dict[str, Any] = {"steps": 4, "width": 64, "height": 64}
"""A picture in no time."""

BYTES_BEHIND = """async (element) => {
    const { addressOf, entries } = await import('/web/studio/entries.js');
    const images = entries.value.flatMap((entry) => entry.images);
    const { picture } = images.find((image) => addressOf(image) === element.src);
    return [...new Uint8Array(await picture.arrayBuffer())];
}"""
"""What the page itself may not read by address, as its policy has it."""


async def fill(page: Page, prompt: str, **settings: Any) -> None:
    """Says what to make. Settings are steps, width, height, seed, and pictures."""
    await page.get_by_label("Prompt", exact=True).fill(prompt)
    if not await page.get_by_label("Steps", exact=True).is_visible():
        await page.get_by_text("Settings", exact=True).click()
    for name, value in settings.items():
        label = {"steps": "Steps, exactly"}.get(name, name.capitalize())
        await page.get_by_role("spinbutton", name=label, exact=True).fill(str(value))


async def generate(page: Page) -> None:
    """Presses the button."""
    await page.get_by_role("button", name="Generate").click()


def pictures(page: Page, prompt: str) -> Locator:
    """The finished pictures of a prompt, in the grid."""
    return page.get_by_role("button", name=f"Open: {prompt}", exact=True)


async def made(page: Page, prompt: str, **settings: Any) -> Locator:
    """The picture that was made just now, in the grid."""
    await fill(page, prompt, **QUICK | settings)
    await generate(page)
    picture = pictures(page, prompt).first
    await expect(picture).to_be_visible()
    return picture


async def job_of(picture: Locator) -> str:
    """The id of a picture's job."""
    found = await picture.locator("xpath=ancestor::li").get_attribute("data-job")
    assert found is not None
    return found


async def bytes_in(picture: Locator) -> bytes:
    """What a picture in the page was drawn from."""
    return bytes(await picture.locator("img").evaluate(BYTES_BEHIND))


async def job(address: str, job_id: str) -> dict[str, Any]:
    """The job as the API shows it."""
    async with httpx.AsyncClient(base_url=address) as client:
        found: dict[str, Any] = (await client.get(f"/v1/jobs/{job_id}")).json()
    return found


async def bytes_of(address: str, job_id: str, index: int = 0) -> bytes:
    """A picture's bytes, from the API."""
    url = (await job(address, job_id))["images"][index]["url"]
    async with httpx.AsyncClient() as client:
        return (await client.get(url)).content
