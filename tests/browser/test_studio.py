"""The studio makes pictures, shows how far they are, and remembers them."""

import json

import pytest
from playwright.async_api import Page, expect

from tests.browser.desk import QUICK, bytes_in, bytes_of, fill, generate, job, job_of, made, pictures
from tests.system.launched import Launched

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_prompt_becomes_a_picture(studio: Page, service: Launched) -> None:
    picture = await made(studio, "a red apple", seed=7)
    assert await picture.locator("img").evaluate("(image) => image.decode().then(() => image.naturalWidth)") == 64
    job_id = await job_of(picture)
    assert await bytes_in(picture) == await bytes_of(service.address, job_id)
    request = (await job(service.address, job_id))["request"]
    asked = {"prompt": "a red apple", "seed": 7, "num_inference_steps": 4, "height": 64, "width": 64}
    assert {name: request[name] for name in asked} == asked


async def test_a_picture_sharpens_while_it_is_made_and_can_be_cancelled(studio: Page, service: Launched) -> None:
    await fill(studio, "a snowman", steps=150, pictures=4)
    await studio.keyboard.press("Control+Enter")
    running = studio.locator(".tile.running")
    await expect(running.locator("img.preview")).to_be_visible()
    await expect(running).to_contain_text("Step ")
    await expect(running).to_contain_text(" of 600")
    early = await running.locator("img").get_attribute("src")
    await expect(running.locator("img")).not_to_have_attribute("src", early or "")
    await expect(running).to_contain_text("s left")
    job_id = await running.get_attribute("data-job")
    await running.get_by_role("button", name="Cancel").click()
    await expect(running).to_have_count(0)
    assert (await job(service.address, job_id or ""))["status"] == "cancelled"


async def test_escape_cancels_the_newest_job(studio: Page, service: Launched) -> None:
    await fill(studio, "a castle", steps=150, pictures=4)
    await generate(studio)
    running = studio.locator(".tile.running")
    job_id = await running.get_attribute("data-job")
    await studio.keyboard.press("Escape")
    await expect(studio.locator(".tile.ended")).to_contain_text("Cancelled")
    assert (await job(service.address, job_id or ""))["status"] == "cancelled"


async def test_the_history_survives_a_reload_and_can_be_searched(studio: Page, service: Launched) -> None:
    await made(studio, "a green leaf")
    picture = await made(studio, "a blue fish")
    content, job_id = await bytes_in(picture), await job_of(picture)
    await fill(studio, "a rocket", steps=60)
    await generate(studio)
    await expect(studio.locator(".tile.running")).to_have_count(1)
    await studio.reload()
    await expect(pictures(studio, "a green leaf")).to_be_visible()
    assert await bytes_in(pictures(studio, "a blue fish")) == content == await bytes_of(service.address, job_id)
    await expect(pictures(studio, "a rocket")).to_be_visible()
    await studio.get_by_role("searchbox").fill("Fish BLUE")
    await expect(studio.locator(".tile")).to_have_count(1)
    await expect(pictures(studio, "a blue fish")).to_be_visible()
    await studio.get_by_role("searchbox").fill("zebra")
    await expect(studio.get_by_text("Nothing here has “zebra” in it.")).to_be_visible()


async def test_a_result_says_how_it_was_made_and_is_made_again(studio: Page, service: Launched) -> None:
    picture = await made(studio, 'a "car"', seed=3)
    content = await bytes_in(picture)
    await picture.click()
    viewer = studio.get_by_role("dialog")
    await expect(viewer).to_contain_text("ddim")
    tab = viewer.get_by_role("tabpanel")
    body = (await tab.inner_text()).partition("-d '")[2].removesuffix("'")
    assert json.loads(body) == {
        "prompt": 'a "car"', "model": "safelight-emoji", "height": 64, "width": 64, "num_inference_steps": 4,
        "guidance_scale": 2.5, "scheduler": "ddim", "seed": 3,
    }  # fmt: skip
    await viewer.get_by_role("tab", name="Python").click()
    await expect(tab).to_contain_text("from safelight import Safelight")
    compile(await tab.inner_text(), "Python", "exec")
    await viewer.get_by_role("tab", name="Python").press("ArrowRight")
    await expect(tab).to_contain_text('size="64x64"')
    compile(await tab.inner_text(), "OpenAI", "exec")
    await viewer.get_by_role("button", name="Again").click()
    await expect(viewer).to_have_count(0)
    await expect(pictures(studio, 'a "car"')).to_have_count(2)
    assert await bytes_in(pictures(studio, 'a "car"').first) == content
    await pictures(studio, 'a "car"').first.click()
    await viewer.get_by_role("button", name="Enlarge").click()
    await expect(pictures(studio, 'a "car"').first.locator("img")).to_have_attribute("width", "128")
    assert (await job(service.address, await job_of(pictures(studio, 'a "car"').first)))["request"]["upscale"] == 2


async def test_what_is_wrong_is_said_in_the_words_of_the_api(studio: Page) -> None:
    await fill(studio, "a fox", **QUICK | {"steps": 500})
    await generate(studio)
    alert = studio.get_by_role("alert")
    await expect(alert).to_contain_text("num_inference_steps is 500, and the model allows at most 150.")
    await expect(alert).to_contain_text("limit_exceeded")
    await expect(studio.get_by_role("spinbutton", name="Steps, exactly")).to_have_attribute("aria-invalid", "true")
    studio.complaints.take("422")  # type: ignore[attr-defined]


async def test_a_seed_is_by_chance_until_it_is_kept(studio: Page, service: Launched) -> None:
    first = await made(studio, "a star")
    seed = (await job(service.address, await job_of(first)))["request"]["seed"]
    await studio.get_by_role("button", name="Keep the seed").click()
    await expect(studio.get_by_role("spinbutton", name="Seed")).to_have_value(str(seed))
    await made(studio, "a moon")
    moon = await job_of(pictures(studio, "a moon"))
    assert (await job(service.address, moon))["request"]["seed"] == seed
