"""Pictures in: a part painted over, a frame dragged out, settings taken from a file, adapters sent."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Locator, Page, expect

from tests.browser.desk import QUICK, bytes_in, bytes_of, fill, generate, job, job_of, made, pictures
from tests.system.installation import ROOT
from tests.system.launched import Launched

pytestmark = pytest.mark.asyncio(loop_scope="session")

ADAPTER = ROOT / "models/adapters/gilded/pytorch_lora_weights.safetensors"


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(content)).convert("RGB")).astype(int)


async def begin_with(page: Page, picture: Locator, mode: str) -> None:
    """Makes a picture the one to begin with."""
    await picture.click()
    await page.get_by_role("dialog").get_by_role("button", name="Begin with it").click()
    await page.get_by_role("button", name=mode).click()


async def test_what_is_painted_changes_and_nothing_else(studio: Page) -> None:
    dog = await made(studio, "a dog on a green background", seed=1)
    before = pixels(await bytes_in(dog))
    await begin_with(studio, dog, "Paint a part")
    surface = studio.get_by_role("application")
    await studio.get_by_role("spinbutton", name="Brush, exactly").fill("12")
    box = await surface.bounding_box()
    assert box is not None
    await studio.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.25)
    await studio.mouse.down()
    await studio.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.25, steps=5)
    await studio.mouse.up()
    await expect(surface).to_have_accessible_name("Mask of 64 × 64 pixels; something is painted")
    await fill(studio, "a red apple", steps=8)
    await generate(studio)
    apple = pictures(studio, "a red apple")
    await expect(apple).to_be_visible()
    changed = np.argwhere((pixels(await bytes_in(apple)) != before).any(axis=-1))
    assert len(changed) > 50
    (top, left), (bottom, right) = changed.min(axis=0), changed.max(axis=0)
    assert 9 <= top <= bottom <= 23
    assert 12 <= left <= right <= 52


async def test_a_mask_is_painted_with_keys(studio: Page, service: Launched) -> None:
    dog = await made(studio, "a dog", seed=1)
    await begin_with(studio, dog, "Paint a part")
    surface = studio.get_by_role("application")
    await surface.press("ArrowLeft")
    await surface.press("]")
    await surface.press(" ")
    await expect(surface).to_have_accessible_name("Mask of 64 × 64 pixels; something is painted")
    await studio.get_by_role("checkbox", name="Remove what is there").check()
    await generate(studio)
    nameless = pictures(studio, "a picture without a prompt")
    await expect(nameless).to_be_visible()
    request = (await job(service.address, await job_of(nameless)))["request"]
    assert (request["remove"], request["mask"][:5]) == (True, "file_")


async def test_a_frame_is_dragged_out_and_painted(studio: Page) -> None:
    dog = await made(studio, "a dog to the left of a tree", seed=1)
    before = pixels(await bytes_in(dog))
    await begin_with(studio, dog, "Extend it")
    right = studio.get_by_role("slider", name="Right")
    box = await right.bounding_box()
    assert box is not None
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    await studio.mouse.move(*middle)
    await studio.mouse.down()
    await studio.mouse.move(middle[0] + 130, middle[1], steps=4)
    await studio.mouse.up()
    await expect(right).to_have_attribute("aria-valuenow", "32")
    await studio.get_by_role("slider", name="Top").press("ArrowUp")
    await expect(studio.locator(".frame-editor")).to_contain_text("96 × 96")
    await generate(studio)
    wide = pictures(studio, "a dog to the left of a tree").first
    await expect(wide.locator("img")).to_have_attribute("width", "96")
    assert (pixels(await bytes_in(wide))[32:, :64] == before).all()


async def test_a_picture_made_here_gives_its_settings_back(studio: Page, service: Launched) -> None:
    picture = await made(studio, "a yellow bird", seed=11, steps=5)
    content = await bytes_of(service.address, await job_of(picture))
    await fill(studio, "something else", steps=9, seed=1)
    await drop(studio, content, "bird.png", "image/png")
    question = studio.get_by_role("dialog")
    await expect(question).to_contain_text("This was made here")
    await question.get_by_role("button", name="Use its settings").click()
    await expect(studio.get_by_label("Prompt", exact=True)).to_have_value("a yellow bird")
    await expect(studio.get_by_role("spinbutton", name="Steps, exactly")).to_have_value("5")
    await expect(studio.get_by_role("spinbutton", name="Seed")).to_have_value("11")
    await generate(studio)
    await expect(pictures(studio, "a yellow bird")).to_have_count(2)
    assert await bytes_in(pictures(studio, "a yellow bird").first) == content


async def test_another_picture_is_one_to_begin_with(studio: Page, service: Launched) -> None:
    output = BytesIO()
    Image.new("RGB", (70, 66), "teal").save(output, "PNG")
    await drop(studio, output.getvalue(), "teal.png", "image/png")
    await expect(studio.get_by_role("img", name="The picture to change")).to_be_visible()
    picture = await made_of_it(studio, "a whale")
    request = (await job(service.address, await job_of(picture)))["request"]
    assert (request["width"], request["height"], request["strength"], request["resize"]) == (64, 64, 0.75, "crop")


async def made_of_it(page: Page, prompt: str) -> Locator:
    await fill(page, prompt, steps=QUICK["steps"])
    await generate(page)
    picture = pictures(page, prompt)
    await expect(picture).to_be_visible()
    return picture


async def test_adapters_are_chosen_and_sent(studio: Page, service: Launched) -> None:
    await studio.get_by_role("combobox", name="Adapters").select_option("gilded")
    await studio.get_by_label("File of an adapter").set_input_files(ADAPTER)
    await studio.get_by_role("spinbutton", name=f"{ADAPTER.name}, exactly").fill("0.5")
    picture = await made(studio, "a car", seed=7)
    adapters = (await job(service.address, await job_of(picture)))["request"]["adapters"]
    assert [(adapter["id"][:5], adapter["scale"]) for adapter in adapters] == [("gilde", 1.0), ("file_", 0.5)]
    await studio.get_by_label("File of an adapter").set_input_files(
        {"name": "not.safetensors", "mimeType": "application/octet-stream", "buffer": b"words"}
    )
    await expect(studio.get_by_role("alert")).to_contain_text("unsupported_file")
    studio.complaints.take("422")  # type: ignore[attr-defined]


async def test_a_grid_of_two_parameters(studio: Page, service: Launched) -> None:
    await fill(studio, "a red apple", **QUICK | {"seed": 5})
    await studio.get_by_role("button", name="Grid").click()
    form = studio.get_by_role("dialog")
    await form.get_by_label("Values across").fill("1, 4")
    await form.get_by_role("combobox", name="Down").select_option("prompt")
    await form.get_by_label("Values down").fill("red, blue, green")
    await form.get_by_role("button", name="Make 6 pictures").click()
    await studio.get_by_role("button", name="Open the grid: a red apple").click()
    table = studio.get_by_role("table")
    await expect(table.locator("img:not(.preview)")).to_have_count(6)
    assert await table.get_by_role("columnheader").all_inner_texts() == ["Guidance 1", "Guidance 4"]
    assert await table.get_by_role("rowheader").all_inner_texts() == ["red", "blue", "green"]
    sheet = await studio.evaluate("() => import('/web/studio/entries.js').then(({ entries }) => entries.value)")
    jobs = [await job(service.address, entry["id"]) for entry in sheet if entry["kind"] == "job"]
    asked = {(one["request"]["guidance_scale"], one["request"]["prompt"]) for one in jobs}
    colours = ("red", "blue", "green")
    assert asked == {(scale, f"a {colour} apple") for scale in (1.0, 4.0) for colour in colours}
    assert {(one["request"]["seed"], one["priority"]) for one in jobs} == {(5, "low")}
    async with studio.expect_download() as download:
        await studio.get_by_role("button", name="Save as one picture").click()
    saved = await (await download.value).path()
    with Image.open(saved) as sheet_saved:
        assert sheet_saved.width > 2 * 64


async def drop(page: Page, content: bytes, name: str, media_type: str) -> None:
    """Lets a file fall onto the page."""
    transfer = await page.evaluate_handle(
        """([numbers, name, type]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([new Uint8Array(numbers)], name, { type }));
            return transfer;
        }""",
        [list(content), name, media_type],
    )
    await page.dispatch_event("body", "drop", {"dataTransfer": transfer})
