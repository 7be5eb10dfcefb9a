"""The real client, webuiapi, against the real service: what it sends by default works, or says why not."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from webuiapi import HiResUpscaler, WebUIApi, WebUIApiResult
from webuiapi.webuiapi import raw_b64_img

from tests.dialects.automatic1111.conftest import PICTURE, client_of, mask, opened
from tests.system.launched import Launched
from tests.waiting import wait_until

SIZE = {"width": 128, "height": 128}
QUICK = SIZE | {"steps": 4}

Test = Callable[..., object]


def parameters_of(result: WebUIApiResult) -> list[str]:
    """What each picture says of itself."""
    return [image.info["parameters"] for image in result.images]


def test_a_prompt_with_the_clients_defaults(webui: WebUIApi) -> None:
    result = webui.txt2img(prompt="a red apple", negative_prompt="a leaf", **SIZE)
    assert result.image.size == (128, 128)
    assert result.parameters["sampler_name"] == "Euler a"
    assert result.info["all_seeds"] == [result.info["seed"]]
    assert 0 <= result.info["seed"] < 2**32
    assert result.info["infotexts"] == parameters_of(result)
    said = f"Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: {result.info['seed']}, "
    assert result.info["infotexts"][0] == (
        f"a red apple\nNegative prompt: a leaf\n{said}Size: 128x128, Model: safelight-emoji"
    )


def test_pictures_are_those_of_their_seeds_whoever_asks(webui: WebUIApi, service: Launched) -> None:
    several = webui.txt2img(prompt="a fox", seed=7, batch_size=2, n_iter=2, **QUICK)
    assert several.info["all_seeds"] == [7, 8, 9, 10]
    alone = webui.txt2img(prompt="a fox", seed=9, **QUICK)
    assert np.array_equal(np.asarray(several.images[2]), np.asarray(alone.image))
    (job_id,) = alone.info["job_ids"]
    job = service.call(f"/v1/jobs/{job_id}")
    assert (job["status"], job["request"]["seed"], job["request"]["scheduler"]) == ("succeeded", 9, "euler_ancestral")
    assert len({image.tobytes() for image in several.images}) == 4


def test_a_picture_with_the_clients_defaults(webui: WebUIApi) -> None:
    result = webui.img2img(images=[PICTURE], prompt="a red apple", seed=3, **SIZE)
    assert result.image.size == (128, 128)
    assert result.info["denoising_strength"] == 0.75
    assert result.parameters["init_images"] is None
    again = webui.img2img(images=[PICTURE], prompt="a red apple", seed=3, include_init_images=True, **SIZE)
    assert result.image.tobytes() == again.image.tobytes()
    assert again.parameters["init_images"][0].endswith(raw_b64_img(PICTURE))


@pytest.mark.parametrize("changes", [{}, {"inpaint_full_res": False, "inpainting_fill": 1}])
def test_a_mask_with_the_clients_defaults(webui: WebUIApi, changes: dict[str, object]) -> None:
    result = webui.img2img(images=[PICTURE], mask_image=mask(), prompt="a red apple", **QUICK, **changes)
    before, after = np.asarray(PICTURE), np.asarray(result.image)
    assert np.array_equal(after[:, :40], before[:, :40])
    assert not np.array_equal(after[:, 90:], before[:, 90:])


def test_hires_fix_with_the_clients_defaults(webui: WebUIApi, service: Launched) -> None:
    small = {"prompt": "a red apple", "seed": 5, "enable_hr": True, "steps": 4, "width": 64, "height": 64}
    result = webui.txt2img(n_iter=2, **small)
    assert [image.size for image in result.images] == [(128, 128)] * 2
    assert result.info["all_seeds"] == [5, 6]
    first, *further = [service.call(f"/v1/jobs/{job_id}")["request"] for job_id in result.info["job_ids"]]
    assert (first["num_images"], first["width"], len(further)) == (2, 64, 2)
    assert [(job["resize"], job["strength"], job["width"], job["seed"]) for job in further] == [
        ("latents", 0.7, 128, 5),
        ("latents", 0.7, 128, 6),
    ]
    pixels = webui.txt2img(hr_upscaler=HiResUpscaler.Lanczos, hr_resize_y=128, **small)
    assert pixels.image.size == (128, 128)
    assert pixels.image.tobytes() != result.image.tobytes()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"sampler_name": "Nope"}, (404, "unknown_sampler", "sampler_name")),
        ({"sampler_name": "DDIM"}, (422, "invalid_request", "eta is 1")),
        ({"steps": 500}, (422, "limit_exceeded", "steps is 500")),
        ({"width": 512}, (422, "limit_exceeded", "width must be a multiple of 32 from 64 to 256")),
        ({"restore_faces": True}, (422, "invalid_request", "restore_faces")),
        ({"prompt": "a cat <lora:nope:1>"}, (404, "unknown_adapter", "prompt")),
        ({"override_settings": {"sd_model_checkpoint": "nope"}}, (404, "unknown_model", "sd_model_checkpoint")),
    ],
)
def test_errors_are_raised_with_their_words(webui: WebUIApi, fields: dict[str, object], words: tuple[object]) -> None:
    status, *texts = words
    with pytest.raises(RuntimeError) as raised:
        webui.txt2img(**{"prompt": "a cat", **SIZE, **fields})
    assert raised.value.args[0] == status
    assert set(json.loads(raised.value.args[1])) == {"error", "detail", "body", "errors"}
    for text in texts:
        assert text in raised.value.args[1]


async def test_it_works_without_waiting_too(webui: WebUIApi) -> None:
    results = await asyncio.gather(
        *(webui.txt2img(prompt=f"a {thing}", seed=seed, use_async=True, **QUICK)
          for seed, thing in enumerate(("fox", "cat", "dog")))
    )  # fmt: skip
    assert [result.info["all_prompts"] for result in results] == [["a fox"], ["a cat"], ["a dog"]]
    assert all(text.startswith(result.info["prompt"]) for result in results for text in parameters_of(result))


def test_twenty_clients_at_once_get_their_own_pictures(service: Launched) -> None:
    def made(seed: int) -> WebUIApiResult:
        with client_of(service) as client:
            return client.txt2img(prompt=f"a red apple, number {seed}", seed=seed, **QUICK)

    with ThreadPoolExecutor(20) as pool:
        results = list(pool.map(made, range(20)))
    for seed, result in enumerate(results):
        assert (result.info["all_seeds"], result.info["prompt"]) == ([seed], f"a red apple, number {seed}")
        assert parameters_of(result)[0].startswith(f"a red apple, number {seed}\n")
        assert f"Seed: {seed}, " in parameters_of(result)[0]
    assert len({result.image.tobytes() for result in results}) == 20


def test_progress_shows_a_picture_and_an_interrupt_ends_it(service: Launched) -> None:
    with client_of(service) as maker, client_of(service) as watcher, ThreadPoolExecutor(1) as pool:
        watcher.util_wait_for_ready()
        made = pool.submit(maker.txt2img, prompt="a fox", batch_size=8, **SIZE | {"steps": 150})
        try:
            seen = wait_until(lambda: _with_picture(watcher), 60, service.log)
            assert 0 < seen["progress"] < 1
            assert seen["eta_relative"] > 0
            state = seen["state"]
            assert (state["job"], state["job_count"], state["job_no"]) == ("txt2img", 1, 0)
            assert 0 < state["sampling_step"] < state["sampling_steps"] == 1200
            assert opened(b64decode(seen["current_image"])).size == (128, 128)
        finally:
            assert watcher.interrupt() == {}
        with pytest.raises(RuntimeError) as raised:
            made.result(30)
        watcher.util_wait_for_ready()
    assert (raised.value.args[0], "job_cancelled" in raised.value.args[1]) == (409, True)
    assert service.call(f"/v1/jobs/{seen['current_task']}")["status"] == "cancelled"


def _with_picture(watcher: WebUIApi) -> dict[str, Any] | None:
    progress = watcher.get_progress()
    return progress if progress["current_image"] else None


def listed(remark: str, *names: str, method: str = "GET", how: str = "exact") -> Callable[[Test], Test]:
    """Marks a test that shows what operations without parameters answer."""

    def mark(test: Test) -> Test:
        for name in names:
            test = pytest.mark.compat(f"{method} /sdapi/v1/{name}", "-", how, remark)(test)
        return test

    return mark


@listed("The models of the catalogue, by their ids.", "sd-models")
@listed("Those that the caller's model offers.", "samplers")
@listed("Those that we have.", "schedulers", "upscalers", "latent-upscale-modes", "loras")
@listed("None, as an empty list.", "sd-vae", "hypernetworks", "face-restorers", "realesrgan-models", "prompt-styles")
@listed("None, as an empty list.", "embeddings", "scripts", "script-info", "extensions")
@listed("Null: lists are always as the catalogue is.", "refresh-checkpoints", "refresh-vae", method="POST")
@listed("Null: lists are always as the catalogue is.", "refresh-loras", "refresh-embeddings", method="POST")
@listed("What of it there is here.", "cmd-flags", how="mapped")
@listed("The machine's, and this process's; devices are the workers'.", "memory", how="mapped")
def test_every_list_of_the_client(webui: WebUIApi) -> None:
    assert [webui.has_controlnet, webui.has_adetailer, webui.has_animatediff] == [False] * 3
    assert webui.util_get_model_names() == ["safelight-emoji"]
    assert webui.util_get_sampler_names() == [
        "DDIM", "DPM++ 2M", "DPM++ 2M SDE", "Euler", "Euler a", "Heun", "UniPC"
    ]  # fmt: skip
    assert webui.util_get_scheduler_names() == ["automatic", "karras", "normal", "sgm_uniform", "simple", "uniform"]
    assert [one["name"] for one in webui.get_upscalers()] == ["None", "Lanczos", "Nearest"]
    assert webui.get_latent_upscale_modes() == [{"name": "Latent"}]
    (lora,) = webui.get_loras()
    assert (lora["name"], lora["metadata"]) == ("gilded", {"models": ["safelight-emoji"]})
    assert webui.get_scripts() == {"txt2img": [], "img2img": []}
    assert webui.get_embeddings() == {"loaded": {}, "skipped": {}}
    empty = (webui.get_sd_vae, webui.get_hypernetworks, webui.get_face_restorers, webui.get_realesrgan_models,
             webui.get_prompt_styles)  # fmt: skip
    assert [get() for get in empty] == [[]] * len(empty)
    assert [webui.custom_get(f"sdapi/v1/{name}") for name in ("script-info", "extensions")] == [[]] * 2
    assert webui.refresh_checkpoints() is None
    for name in ("vae", "loras", "embeddings"):
        assert webui.session.post(f"{webui.baseurl}/refresh-{name}").json() is None
    assert webui.get_cmd_flags()["api"] is True
    memory = webui.get_memory()
    assert 0 < memory["ram"]["used"] < memory["ram"]["total"] == memory["ram"]["free"] + memory["ram"]["used"]
    assert set(memory["cuda"]) == {"error"}


def test_options_are_the_callers(webui: WebUIApi) -> None:
    assert webui.util_get_current_model() == "safelight-emoji"
    webui.util_set_model("SafeLight-Emoji")
    assert webui.set_options({"samples_format": "jpg", "CLIP_stop_at_last_layers": 1}) is None
    try:
        result = webui.txt2img(prompt="a fox", seed=7, **QUICK)
        assert result.image.format == "JPEG"
        comment = result.image.getexif().get_ifd(0x8769)[0x9286]
        assert comment[8:].decode("utf-16-be") == result.info["infotexts"][0]
        png = webui.txt2img(prompt="a fox", seed=7, override_settings={"samples_format": "png"}, **QUICK)
        assert png.image.format == "PNG"
        assert webui.get_options()["samples_format"] == "jpg"
    finally:
        webui.set_options({"samples_format": "png"})
    assert webui.set_options({"sd_vae": "nope"})["errors"] == "sd_vae"
    assert webui.set_options({"sd_model_checkpoint": "nope"})["error"] == "unknown_model"
    assert webui.set_options({"not_an_option": 1})["errors"] == "not_an_option"


def test_pictures_are_enlarged_and_read(webui: WebUIApi) -> None:
    result = webui.txt2img(prompt="a fox, running", negative_prompt="a leaf", seed=7, **QUICK)
    enlarged = webui.extra_single_image(result.image, upscaler_1="Lanczos", upscaling_resize=1.5)
    assert enlarged.image.size == (192, 192)
    assert enlarged.image.info["postprocessing"] == enlarged.info
    both = webui.extra_batch_images([result.image, PICTURE], upscaler_1="Nearest", upscaling_resize=2)
    assert [image.size for image in both.images] == [(256, 256)] * 2
    assert np.array_equal(np.asarray(both.images[1])[::2, ::2], np.asarray(PICTURE))
    said = webui.png_info(result.image)
    assert said.info == result.info["infotexts"][0]
    assert json.loads(said.json["items"]["safelight"])["prompt"] == "a fox, running"
    expected = {"Prompt": "a fox, running", "Negative prompt": "a leaf", "Steps": "4", "Seed": "7", "Size-1": "128"}
    assert said.parameters.items() >= expected.items()


def test_what_is_not_there_says_so(webui: WebUIApi) -> None:
    with pytest.raises(RuntimeError, match="not_offered"):
        webui.interrogate(PICTURE)
