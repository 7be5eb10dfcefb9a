"""Inputs of predictions: each field is what it is natively, other names mean the same, and the rest is refused."""

from typing import Any

import httpx
import pytest

from app.dialects.replicate.inputs import OTHER_NAMES, REASONS, SCHEDULERS, PredictionInput
from contract.request import GenerationRequest
from tests.dialects.replicate.conftest import CREATING, MODEL, NAME, creating
from tests.pictures import encoded, gradient

BASE: dict[str, Any] = {"prompt": "a red apple", "seed": 7}
"""What all of them say unless they say otherwise."""

IMAGE, MASK = "an image", "a mask"
"""Stand in the cases for the ids of files."""

EDIT = {"image": IMAGE, "prompt": "a fox"}

FIELDS: dict[str, dict[str, Any]] = {
    "prompt": {"prompt": "a green apple"},
    "negative_prompt": {"negative_prompt": "a leaf"},
    "prompt_syntax": {"prompt_syntax": "weighted", "prompt": "a (red:1.3) apple"},
    "num_images": {"num_images": 2},
    "height": {"height": 64},
    "width": {"width": 160},
    "num_inference_steps": {"num_inference_steps": 4},
    "guidance_scale": {"guidance_scale": 5},
    "guidance": {"guidance": [{"kind": "classifier_free", "scale": 2.5, "interval": [0, 0.5]}]},
    "scheduler": {"scheduler": "unipc_karras"},
    "seed": {"seed": 8},
    "output_format": {"output_format": "webp"},
    "output_quality": {"output_quality": 50, "output_format": "jpeg"},
    "adapters": {"adapters": [{"id": "gilded", "scale": 0.5}]},
    "control": {"control": [{"id": "edges", "image": IMAGE}]},
    "image_prompt": {"image_prompt": {"id": "by-example", "image": IMAGE}},
    "intervene": {"intervene": [{"kind": "mute_token", "token": 2, "step_to": 4}]},
    "metadata": {"metadata": {"order": "42"}},
    "image": EDIT,
    "mask": EDIT | {"mask": MASK},
    "strength": EDIT | {"strength": 0.5},
    "mask_mode": EDIT | {"mask": MASK, "mask_mode": "strength"},
    "mask_padding": EDIT | {"mask": MASK, "mask_padding": 16},
    "inpaint_method": EDIT | {"mask": MASK, "inpaint_method": "standard"},
    "expand": EDIT | {"expand": {"right": 32}},
    "remove": {"image": IMAGE, "mask": MASK, "remove": True, "prompt": ""},
    "variation": {"image": IMAGE, "variation": 0.5},
    "upscale": EDIT | {"upscale": 2},
    "resize": EDIT | {"resize": "crop", "height": 96, "width": 96},
    "image_guidance_scale": EDIT | {"image_guidance_scale": 1.5},
}
"""For each field of ours, fields to send."""

NEEDS_ANOTHER_MODEL = {"control", "image_prompt", "image_guidance_scale"}

OTHERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "num_outputs": ({"num_outputs": 2}, {"num_images": 2}),
    "prompt_strength": (EDIT | {"prompt_strength": 0.5}, EDIT | {"strength": 0.5}),
    **{name: ({"scheduler": name}, {"scheduler": ours}) for name, ours in SCHEDULERS.items()},
    "jpg": ({"output_format": "jpg"}, {"output_format": "jpeg"}),
    "number": ({"guidance": 3.5}, {"guidance_scale": 3.5}),
    "disable_safety_checker": ({"disable_safety_checker": True}, {}),
    "go_fast": ({"go_fast": False}, {}),
    "apply_watermark": ({"apply_watermark": False}, {}),
    "refine": ({"refine": "no_refiner"}, {}),
}
"""For each other name, what to send, and the same in our words."""

IDLE: dict[str, object] = {
    "disable_safety_checker": False,
    "go_fast": True,
    "apply_watermark": True,
    "refine": "expert_ensemble_refiner",
}
"""Values of fields that may only ask for what is done anyway."""


def marked(name: str, how: str, remark: str) -> list[pytest.MarkDecorator]:
    return [pytest.mark.compat(operation, f"input.{name}", how, remark) for operation in CREATING]


@pytest.fixture
async def files(client: httpx.AsyncClient) -> dict[object, str]:
    """The files of the cases."""
    sent = {}
    for stands_in, mode in ((IMAGE, "RGB"), (MASK, "L")):
        answer = await client.post("/v1/files", files={"content": encoded(gradient(128, 128).convert(mode))})
        sent[stands_in] = answer.json()["id"]
    return sent


def filled(value: Any, files: dict[object, str]) -> Any:
    """A case with the ids in their places."""
    if isinstance(value, dict):
        return {name: filled(part, files) for name, part in value.items()}
    if isinstance(value, list):
        return [filled(part, files) for part in value]
    return files.get(value, value) if isinstance(value, str) else value


async def predicted(client: httpx.AsyncClient, fields: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/predictions", json={"version": MODEL, "input": BASE | fields})


async def natively(client: httpx.AsyncClient, fields: dict[str, Any]) -> httpx.Response:
    return await client.post("/v1/generations", json=BASE | fields)


async def assert_same(client: httpx.AsyncClient, ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """Both make the same job, or are refused alike."""
    native, prediction = await natively(client, ours), await predicted(client, theirs)
    if native.status_code == 202:
        assert prediction.status_code == 201, prediction.text
        job = await client.get(f"/v1/jobs/{prediction.json()['id']}")
        assert job.json()["request"] == native.json()["request"]
    else:
        error = native.json()["error"]
        assert prediction.status_code == native.status_code
        (blamed,) = prediction.json()["invalid_fields"]
        assert (blamed["type"], blamed["field"]) == (error["code"], f"input.{error['field']}")


def test_every_field_of_ours_is_tried() -> None:
    assert set(FIELDS) == set(GenerationRequest.model_fields) - {"model"}


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        pytest.param(
            name,
            fields,
            marks=marked(name, "exact", "for models that can" if name in NEEDS_ANOTHER_MODEL else "as natively"),
        )
        for name, fields in FIELDS.items()
    ],
)
async def test_a_field_makes_the_job_that_it_makes_natively(
    client: httpx.AsyncClient, files: dict[object, str], name: str, fields: dict[str, Any]
) -> None:
    fields = filled(fields, files)
    await assert_same(client, fields, fields)
    assert ((await natively(client, fields)).status_code == 202) == (name not in NEEDS_ANOTHER_MODEL)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param(theirs, ours, id=name, marks=marked(next(reversed(theirs)), "mapped", f"`{theirs}` is `{ours}`"))
        for name, (theirs, ours) in OTHERS.items()
    ],
)
async def test_another_name_means_the_same(
    client: httpx.AsyncClient, files: dict[object, str], theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    await assert_same(client, filled(ours, files), filled(theirs, files))


@pytest.mark.parametrize("other", OTHER_NAMES)
async def test_a_field_under_both_of_its_names_is_refused(client: httpx.AsyncClient, other: str) -> None:
    answer = await predicted(client, {other: 1, OTHER_NAMES[other]: 1})
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, f"input.{other}")


async def test_what_is_wrong_is_named_as_it_was_sent(client: httpx.AsyncClient) -> None:
    for fields, field in (
        ({"num_outputs": 16, "num_inference_steps": 150}, "input.num_outputs"),
        ({"num_inference_steps": 151}, "input.num_inference_steps"),
        ({"prompt_strength": 0.5}, "input.prompt_strength"),
        ({"guidance": -1}, "input.guidance.scale"),
        ({"seed": "seven"}, "input.seed"),
        ({"scheduler": "PNDM"}, "input.scheduler"),
        ({"adapters": [{"id": "nobody"}]}, "input.adapters.0.id"),
        ({"image": "https://example.com/picture.png"}, "input.image"),
        ({"steps": 20}, "input.steps"),
    ):
        answer = await predicted(client, fields)
        assert 400 <= answer.status_code < 500
        assert answer.json()["invalid_fields"][0]["field"] == field


@pytest.mark.parametrize("name", [pytest.param(name, marks=marked(name, "refused", REASONS[name])) for name in REASONS])
async def test_what_no_model_here_can_do_is_refused_by_name(client: httpx.AsyncClient, name: str) -> None:
    answer = await predicted(client, {name: "1:1"})
    problem = answer.json()
    assert (answer.status_code, problem["invalid_fields"][0]["field"]) == (422, f"input.{name}")
    assert REASONS[name] in problem["detail"]
    assert (await predicted(client, {name: None})).status_code == 201


@pytest.mark.parametrize(("name", "value"), IDLE.items())
async def test_what_is_done_anyway_may_be_asked_for_and_nothing_else(
    client: httpx.AsyncClient, name: str, value: object
) -> None:
    answer = await predicted(client, {name: value})
    assert (answer.status_code, answer.json()["invalid_fields"][0]["field"]) == (422, f"input.{name}")


def test_every_field_of_an_input_is_in_one_of_these_tests() -> None:
    tried = set(FIELDS) | set(OTHERS) | set(REASONS)
    assert set(PredictionInput.model_fields) <= tried


@creating("input", "exact", "the fields of the model's `Input`; those that are not there are refused by name")
async def test_an_input_posted_again_makes_the_same_job(client: httpx.AsyncClient, files: dict[object, str]) -> None:
    path = f"/v1/models/{NAME}/predictions"
    for name, fields in FIELDS.items():
        if name in NEEDS_ANOTHER_MODEL:
            continue
        first = (await client.post(path, json={"input": BASE | filled(fields, files)})).json()
        again = await client.post(path, json={"input": first["input"]})
        assert again.status_code == 201, (first, again.text)
        assert again.json()["input"] == first["input"]
        assert "seed" in first["input"]
        jobs = [(await client.get(f"/v1/jobs/{one['id']}")).json() for one in (first, again.json())]
        assert jobs[0]["request"] == jobs[1]["request"]
    assert (await client.post(path, json={})).json()["invalid_fields"][0]["field"] == "input"
