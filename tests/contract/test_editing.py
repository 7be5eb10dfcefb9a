"""Which fields of an edit go together, what they take where they are left open, and what size follows."""

import pytest
from pydantic import ValidationError

from contract.canvas_sizes import Allowed, Asked, canvas_size
from contract.catalogue import Catalogue, Defaults, Limits, LocalSource, ModelSpec
from contract.costs import amount
from contract.editing import REMOVAL_STRENGTH, Edit, Expand, Size
from contract.errors import InvalidMask, InvalidRequest, LimitExceeded, SafelightError, UnsupportedEdit
from contract.request import CompleteRequest, GenerationRequest

IMAGE, MASK = "file_" + "1" * 32, "file_" + "2" * 32
SIZES = {"image": Size(128, 128), "mask": Size(128, 128)}
ALLOWED = Allowed(32, 64, 256)


def spec(**changes: object) -> ModelSpec:
    usual = {
        "id": "small",
        "family": "stable_diffusion",
        "source": LocalSource(path="small"),
        "owned_by": "tests",
        "licence": "none",
        "created": 0,
        "defaults": Defaults(height=128, width=128, num_inference_steps=20, guidance_scale=2.5, scheduler="ddim"),
        "limits": Limits(
            size_multiple=32,
            min_size=64,
            max_size=256,
            max_num_inference_steps=150,
            max_guidance_scale=30,
            max_cost=10**8,
        ),
    }
    return ModelSpec.model_validate(usual | changes)


def completed(
    sizes: dict[str, Size] | None = None, offered: ModelSpec | None = None, **fields: object
) -> CompleteRequest:
    request = GenerationRequest.model_validate({"seed": 1, **fields})
    named = {field: size for field, size in (sizes or SIZES).items() if field in fields}
    return Catalogue(default_model="small", models=(offered or spec(),)).resolve(request, named)


REFUSED: list[tuple[dict[str, object], str]] = [
    ({}, "prompt"),
    ({"prompt": "x", "mask": MASK}, "mask"),
    ({"prompt": "x", "strength": 0.5}, "strength"),
    ({"prompt": "x", "expand": {"left": 32}}, "expand"),
    ({"prompt": "x", "upscale": 2}, "upscale"),
    ({"prompt": "x", "variation": 0.5}, "variation"),
    ({"prompt": "x", "resize": "crop"}, "resize"),
    ({"prompt": "x", "variation": 0.0}, "variation"),
    ({"image": IMAGE, "mask_padding": 0}, "mask_padding"),
    ({"image": IMAGE, "mask": MASK, "mask_padding": 0, "resize": "crop"}, "mask_padding"),
    ({"image": IMAGE, "mask": MASK, "mask_padding": 0, "expand": {"left": 32}}, "mask_padding"),
    ({"image": IMAGE, "mask": MASK, "mask_padding": 0, "mask_mode": "strength"}, "mask_padding"),
    ({"image": IMAGE, "mask": MASK, "resize": "latents"}, "resize"),
    ({"image": IMAGE, "expand": {"left": 32}, "resize": "latents"}, "resize"),
    ({"image": IMAGE, "remove": True}, "remove"),
    ({"image": IMAGE, "mask_mode": "blend"}, "mask_mode"),
    ({"image": IMAGE, "inpaint_method": "fast"}, "inpaint_method"),
    ({"image": IMAGE, "mask": MASK, "remove": True, "prompt": "x"}, "prompt"),
    ({"image": IMAGE, "mask": MASK, "remove": True, "expand": {"left": 32}}, "remove"),
    ({"image": IMAGE, "mask": MASK, "upscale": 2}, "upscale"),
    ({"image": IMAGE, "variation": 0.5, "strength": 0.5}, "variation"),
    ({"image": IMAGE, "expand": {}}, "expand"),
    ({"image": IMAGE, "mask": MASK, "mask_mode": "strength", "inpaint_method": "quality"}, "inpaint_method"),
]


@pytest.mark.parametrize(("fields", "blamed"), REFUSED, ids=repr)
def test_what_cannot_be_combined_is_named(fields: dict[str, object], blamed: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        completed(**fields)
    assert refused.value.field == blamed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("strength", 0),
        ("strength", 1.1),
        ("variation", -0.1),
        ("upscale", 3),
        ("expand", {"left": -1}),
        ("expand", {"up": 1}),
        ("mask_mode", "soft"),
        ("inpaint_method", "best"),
        ("image_guidance_scale", 0.5),
        ("resize", "none"),
    ],
)
def test_values_out_of_range(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        GenerationRequest.model_validate({"prompt": "x", "image": IMAGE, field: value})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"strength": 0.75, "guidance_scale": 1.0, "height": 128, "width": 128}),
        ({"prompt": "x"}, {"strength": 0.75, "guidance_scale": 2.5}),
        ({"mask": MASK}, {"strength": 1.0, "inpaint_method": "standard", "mask_mode": "blend"}),
        ({"mask": MASK, "scheduler": "unipc"}, {"inpaint_method": "fast"}),
        ({"mask": MASK, "mask_mode": "strength"}, {"inpaint_method": None, "strength": 1.0}),
        ({"mask": MASK, "remove": True}, {"guidance_scale": 4.0, "prompt": "", "strength": REMOVAL_STRENGTH}),
        ({"mask": MASK, "remove": True}, {"inpaint_method": "fast"}),
        ({"mask": MASK, "remove": True, "inpaint_method": "standard"}, {"inpaint_method": "standard"}),
        ({"mask": MASK, "remove": True, "strength": 1.0}, {"strength": 1.0}),
        ({"expand": {"right": 64}}, {"width": 192, "height": 128, "inpaint_method": "standard"}),
        ({"variation": 0.5}, {"strength": None, "variation": 0.5}),
        ({"upscale": 2}, {"height": 256, "width": 256, "strength": 0.2}),
        ({"upscale": 4}, {"height": 256, "width": 256}),
        ({"resize": "crop", "height": 64}, {"height": 64, "width": 128}),
    ],
    ids=repr,
)
def test_what_is_left_open_is_filled_and_replays(fields: dict[str, object], expected: dict[str, object]) -> None:
    complete = completed(image=IMAGE, **fields)
    assert {name: getattr(complete, name) for name in expected} == expected
    assert completed(**complete.model_dump()) == complete


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(InvalidMask, match="64 × 128") as refused:
        completed({"image": Size(128, 128), "mask": Size(64, 128)}, image=IMAGE, mask=MASK)
    assert refused.value.field == "mask"


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [({}, "image"), ({"height": 128}, "height"), ({"width": 128}, "width"), ({"expand": {"left": 1}}, "expand")],
)
def test_sizes_that_a_model_does_not_take_are_named(fields: dict[str, object], blamed: str) -> None:
    with pytest.raises((LimitExceeded, InvalidRequest), match="resize") as refused:
        completed({"image": Size(100, 130)}, image=IMAGE, **fields)
    assert refused.value.field == blamed


def test_more_is_cut_off_than_there_is() -> None:
    with pytest.raises(SafelightError) as refused:
        completed(image=IMAGE, resize="crop", expand={"left": 200}, width=128)
    assert refused.value.field == "expand"


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1000, 3000), (129, 200), (64, 256), (40, 255)])
def test_the_nearest_size_is_one_that_the_model_takes(height: int, width: int) -> None:
    nearest = ALLOWED.nearest(Size(height, width))
    assert ALLOWED.has(nearest)
    assert canvas_size(Edit(image=IMAGE, resize="pad"), Asked(None, None), Size(height, width), ALLOWED) == nearest


def test_expanding_counts_every_side() -> None:
    expand = Expand(left=32, top=64, right=0, bottom=32)
    assert canvas_size(Edit(image=IMAGE, expand=expand), Asked(None, None), Size(64, 64), ALLOWED) == (160, 96)


def test_a_job_costs_what_its_strength_and_method_make_it() -> None:
    rows = [
        amount(completed(image=IMAGE, mask=MASK, prompt="x", strength=strength, inpaint_method=method)).num_rows
        for strength, method in [(1.0, "fast"), (0.5, "fast"), (1.0, "standard")]
    ]
    assert rows == [40, 20, 200]
    assert amount(completed(image=IMAGE, mask=MASK, inpaint_method="quality")).num_gradients == 20
    assert completed(image=IMAGE, strength=0.5, num_images=2).total_steps == 20


def test_a_job_may_not_cost_too_much_for_what_it_makes_again() -> None:
    limits = spec().limits.model_copy(update={"max_cost": 128 * 128 * 20 * 5 - 1})
    fields = {"image": IMAGE, "mask": MASK}
    assert completed(offered=spec(limits=limits), inpaint_method="fast", **fields)
    with pytest.raises(LimitExceeded):
        completed(offered=spec(limits=limits), inpaint_method="standard", **fields)


@pytest.mark.parametrize(
    ("changes", "fields", "blamed"),
    [
        ({"family": "diffusers"}, {"prompt": "x", "image": IMAGE}, "image"),
        ({"family": "flux"}, {"image": IMAGE, "mask": MASK, "remove": True}, "remove"),
        ({}, {"image": IMAGE, "image_guidance_scale": 2.0}, "image_guidance_scale"),
        ({"trained_for": "inpainting"}, {"prompt": "x"}, "image"),
        ({"trained_for": "inpainting"}, {"image": IMAGE}, "mask"),
        ({"trained_for": "inpainting"}, {"image": IMAGE, "mask": MASK, "inpaint_method": "fast"}, "inpaint_method"),
        ({"trained_for": "instructions"}, {"image": IMAGE, "mask": MASK}, "mask"),
        ({"trained_for": "instructions"}, {"prompt": "x"}, "image"),
    ],
)
def test_what_a_model_cannot_do_is_named(changes: dict[str, object], fields: dict[str, object], blamed: str) -> None:
    with pytest.raises(UnsupportedEdit) as refused:
        completed(offered=spec(**changes), **fields)
    assert refused.value.field == blamed


def test_instructions_keep_to_the_picture() -> None:
    complete = completed(offered=spec(trained_for="instructions"), image=IMAGE, prompt="make it red")
    assert complete.image_guidance_scale == 1.5
    assert complete.strength is None
    assert complete.num_steps == 20
    assert amount(complete).num_rows == 3 * 20


def test_what_is_painted_around_a_mask_has_the_size_that_is_asked_for() -> None:
    sizes = {"image": Size(300, 90), "mask": Size(300, 90)}
    fields = {"image": IMAGE, "mask": MASK, "prompt": "x", "mask_padding": 8}
    asked = completed(sizes, height=192, width=128, **fields)
    assert (asked.height, asked.width) == (192, 128)
    open_ = completed(sizes, **fields)
    assert (open_.height, open_.width) == (256, 64)


def test_latents_are_stretched_of_pictures_that_the_model_takes() -> None:
    fields = {"image": IMAGE, "prompt": "x", "resize": "latents", "height": 256, "width": 192}
    complete = completed(**fields)
    assert (complete.height, complete.width) == (256, 192)
    with pytest.raises(LimitExceeded) as refused:
        completed({"image": Size(300, 128)}, **fields)
    assert refused.value.field == "image"
