"""What becomes of each parameter: the request that a job is made of, or a refusal that names it."""

from typing import Any

import httpx
import pytest

from app.dialects.openai.bodies import REFUSED
from app.settings import AppSettings
from tests.app.conftest import Player, client_of
from tests.dialects.openai.desk import Desk, assert_refused
from tests.dialects.openai.operations import DRAWING, EDITS, GENERATIONS, OPERATIONS, VARIATIONS, shows

TAKEN: list[tuple[str, object, dict[str, object], str, str, tuple[str, ...]]] = [
    ("prompt", "a fox", {"prompt": "a fox"}, "exact", "up to 2,000 characters", DRAWING),
    ("model", "safelight-emoji", {"model": "safelight-emoji"}, "exact", "any id of GET /v1/models", OPERATIONS),
    ("n", 2, {"num_images": 2}, "exact", "1 to 10, each with a seed of its own", OPERATIONS),
    ("size", "64x96", {"width": 64, "height": 96}, "exact", "every size that the model draws, or auto", OPERATIONS),
    ("user", "me", {"metadata": {"user": "me"}}, "exact", "comes back as metadata.user of the job", OPERATIONS),
    (
        "safety_identifier",
        "me",
        {"metadata": {"safety_identifier": "me"}},
        "exact",
        "comes back as metadata.safety_identifier of the job",
        DRAWING,
    ),
    ("seed", 7, {"seed": 7}, "exact", "not OpenAI's; picture k has seed + k", OPERATIONS),
    ("num_inference_steps", 12, {"num_inference_steps": 12}, "exact", "not OpenAI's", OPERATIONS),
    ("guidance_scale", 3.5, {"guidance_scale": 3.5}, "exact", "not OpenAI's", DRAWING),
    ("negative_prompt", "a leaf", {"negative_prompt": "a leaf"}, "exact", "not OpenAI's", DRAWING),
    ("output_format", "webp", {"output_format": "webp"}, "exact", "png, jpeg, webp; gif and svg are refused", DRAWING),
    ("background", "opaque", {}, "exact", "opaque and auto; transparent is refused", DRAWING),
    ("moderation", "low", {}, "exact", "auto and low; nothing is filtered here", (GENERATIONS,)),
]


def _taken() -> list[Any]:
    return [
        pytest.param(
            operation,
            {parameter: value},
            expected,
            marks=pytest.mark.compat(operation, parameter, how, remark),
            id=f"{operation.rpartition('/')[2]}-{parameter}",
        )
        for parameter, value, expected, how, remark, operations in TAKEN
        for operation in operations
    ]


@pytest.mark.parametrize(("operation", "parameters", "expected"), _taken())
async def test_what_is_taken_reaches_the_job(
    desk: Desk, operation: str, parameters: dict[str, object], expected: dict[str, object]
) -> None:
    _, job = await desk.accepted(operation, **parameters)
    request = job.request.model_dump()
    assert {field: request[field] for field in expected} == expected


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_is_left_out_is_the_models_or_the_pictures(desk: Desk, operation: str) -> None:
    body, job = await desk.accepted(operation)
    request = job.request
    assert (request.model, request.num_images, request.num_inference_steps) == ("safelight-emoji", 1, 20)
    assert (request.width, request.height, request.output_format) == (128, 128, "png")
    assert set(body) == {"created", "data", "background", "output_format", "quality", "size"}
    assert (body["background"], body["output_format"], body["quality"]) == ("opaque", "png", "medium")
    assert body["size"] == "128x128"


@pytest.mark.parametrize("operation", DRAWING)
async def test_null_and_auto_are_as_if_nothing_were_said(desk: Desk, operation: str) -> None:
    _, job = await desk.accepted(operation, size="auto", quality="auto", background="auto", seed=1)
    _, other = await desk.accepted(operation, seed=1)
    assert job.request.model_copy(update={"image": other.request.image}) == other.request


async def test_clients_may_say_null(desk: Desk) -> None:
    names = ("n", "size", "quality", "model", "stream", "user", "style", "svg", "lora", "partial_images")
    _, job = await desk.accepted(GENERATIONS, **dict.fromkeys(names))
    assert job.request.metadata == {}


QUALITIES = {"low": 10, "medium": 20, "high": 40, "xhigh": 60, "max": 80, "auto": 20, "standard": 20, "hd": 40}


@pytest.mark.parametrize("quality", QUALITIES)
@shows("quality", "mapped", "denoising steps, over those that are the model's default: ½, 1, 2, 3 or 4 times", *DRAWING)
async def test_quality_is_steps(desk: Desk, operation: str, quality: str) -> None:
    body, job = await desk.accepted(operation, quality=quality)
    assert job.request.num_inference_steps == QUALITIES[quality]
    assert body["quality"] == {"auto": "medium", "standard": "medium", "hd": "high"}.get(quality, quality)


async def test_quality_never_asks_for_more_than_the_model_allows(
    settings: AppSettings, player: Player, tmp_path: Any
) -> None:
    catalogue = tmp_path / "models.toml"
    text = settings.catalogue.read_text().replace('{ path = "', f'{{ path = "{settings.catalogue.parent}/')
    catalogue.write_text(text.replace("max_num_inference_steps = 150", "max_num_inference_steps = 30"))
    async with client_of(settings.model_copy(update={"catalogue": catalogue})) as client:
        _, job = await Desk(client, player).accepted(GENERATIONS, quality="max")
    assert job.request.num_inference_steps == 30


@pytest.mark.parametrize("operation", DRAWING)
async def test_steps_are_said_once(desk: Desk, operation: str) -> None:
    body, job = await desk.accepted(operation, num_inference_steps=7, quality="standard")
    assert job.request.num_inference_steps == 7
    assert "quality" not in body
    await desk.refused(operation, "quality", num_inference_steps=7, quality="high")


@shows(
    "output_compression", "mapped", "the encoder's quality for jpeg and webp, 92 by default; refused for png", *DRAWING
)
async def test_compression_is_the_encoders_quality(desk: Desk, operation: str) -> None:
    body, job = await desk.accepted(operation, output_format="jpeg", output_compression=40)
    assert (job.request.output_quality, body["output_format"]) == (40, "jpeg")
    _, job = await desk.accepted(operation, output_format="webp")
    assert job.request.output_quality == 92
    await desk.refused(operation, "output_compression", output_compression=40)
    await desk.refused(operation, "output_compression", output_compression=101, output_format="jpeg")


@shows("response_format", "exact", "b64_json by default; a url holds as long as the job is kept", *OPERATIONS)
async def test_pictures_come_along_or_as_addresses(desk: Desk, operation: str) -> None:
    for response_format in ({}, {"response_format": "b64_json"}):
        body, job = await desk.accepted(operation, n=2, seed=7, **response_format)
        assert [set(picture) for picture in body["data"]] == [{"b64_json", "seed"}] * 2
        assert [picture["seed"] for picture in body["data"]] == [7, 8]
    body, job = await desk.accepted(operation, n=2, response_format="url")
    assert [set(picture) for picture in body["data"]] == [{"url", "seed"}] * 2
    for index, picture in enumerate(body["data"]):
        assert (await desk.client.get(picture["url"])).content == f"picture {index} of {job.id}".encode()


OTHER_VALUES: dict[str, object] = {
    "svg": {"model": "x"},
    "frame_count": 9,
    "lora": {"name": "gilded", "scale": 1},
    "true_cfg_scale": 4.0,
}
WHERE = {"style": (GENERATIONS,), "input_fidelity": (EDITS,)}


@pytest.mark.parametrize(
    ("operation", "parameter"),
    [
        pytest.param(
            operation,
            parameter,
            marks=pytest.mark.compat(operation, parameter, "refused", why),
            id=f"{operation.rpartition('/')[2]}-{parameter}",
        )
        for parameter, why in REFUSED.items()
        for operation in WHERE.get(parameter, DRAWING)
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(desk: Desk, operation: str, parameter: str) -> None:
    message = await desk.refused(operation, parameter, **{parameter: OTHER_VALUES.get(parameter, "high")})
    assert REFUSED[parameter] in message


WRONG: list[tuple[str, object]] = [
    ("n", 0),
    ("n", 11),
    ("n", "two"),
    ("size", "100x100"),
    ("size", "512x512"),
    ("size", "64"),
    ("size", "0x64"),
    ("size", "64X64"),
    ("response_format", "png"),
    ("seed", -1),
    ("seed", 2**53),
    ("num_inference_steps", 0),
    ("num_inference_steps", 151),
    ("user", "x" * 513),
    ("steps", 20),
    ("cfg_scale", 7),
]


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_wrong_values_and_unknown_names_are_refused_by_name(desk: Desk, operation: str) -> None:
    for parameter, value in WRONG:
        assert parameter in await desk.refused(operation, parameter, **{parameter: value})


IMPOSSIBLE: list[tuple[str, dict[str, object]]] = [
    ("background", {"background": "transparent"}),
    ("output_format", {"output_format": "gif"}),
    ("quality", {"quality": "ultra"}),
    ("prompt", {"prompt": "x" * 2001}),
    ("guidance_scale", {"guidance_scale": 31}),
    ("partial_images", {"partial_images": 1}),
    ("partial_images", {"partial_images": 4, "stream": True}),
    ("response_format", {"response_format": "url", "stream": True}),
    ("stream", {"stream": "perhaps"}),
]


@pytest.mark.parametrize("operation", DRAWING)
async def test_what_no_picture_can_be_is_refused_by_name(desk: Desk, operation: str) -> None:
    for parameter, others in IMPOSSIBLE:
        assert parameter in await desk.refused(operation, parameter, **others)


async def test_a_size_that_cannot_be_made_says_what_can(desk: Desk) -> None:
    message = await desk.refused(GENERATIONS, "size", size="1024x1024")
    assert "multiples of 32 from 64 to 256 pixels" in message


async def test_a_prompt_is_required(client: httpx.AsyncClient, desk: Desk) -> None:
    assert_refused(await client.post("/v1/images/generations", json={}), 400, "prompt")
    assert_refused(await client.post("/v1/images/edits", files={"image": b"x"}), 400, "prompt")
    assert_refused(await client.post("/v1/images/edits", data={"prompt": "x"}, files={"mask": b"x"}), 400, "image")


async def test_too_much_for_one_job_names_a_parameter_of_the_dialect(desk: Desk) -> None:
    await desk.refused(GENERATIONS, "n", n=10, size="256x256", num_inference_steps=150)


async def test_variations_take_no_prompt(desk: Desk) -> None:
    for parameter in ("prompt", "quality", "stream", "mask"):
        await desk.refused(VARIATIONS, parameter, **{parameter: "x"})
