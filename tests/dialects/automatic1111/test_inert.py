"""What has no meaning here is taken with values that change nothing, and else refused by its name."""

from typing import Any

import pytest

from app.dialects.automatic1111.image_to_image import ImageToImage
from app.dialects.automatic1111.text_to_image import TextToImage
from tests.dialects.automatic1111.conftest import PATHS, Ask, assert_refused
from tests.dialects.automatic1111.test_translation import of_both

REFUSED: dict[str, tuple[list[object], object, str]] = {
    "styles": ([[], None], ["a style"], "There are no saved prompts."),
    "subseed_strength": ([0, 0.0, None], 0.5, "All noise comes from one seed."),
    "seed_resize_from_h": ([-1, 0, None], 64, "Noise is drawn for the size that is asked for."),
    "seed_resize_from_w": ([-1, 0, None], 64, "Noise is drawn for the size that is asked for."),
    "restore_faces": ([False, None], True, "There is no model for faces."),
    "tiling": ([False, None], True, "Pictures are not made to repeat."),
    "s_min_uncond": ([0, None], 0.1, "No step leaves guidance out."),
    "s_churn": ([0, None], 1, "Samplers add no noise of their own accord."),
    "s_tmin": ([0, None], 1, "Samplers add no noise of their own accord."),
    "s_tmax": ([0, None], 1, "Samplers add no noise of their own accord."),
    "s_noise": ([1, 1.0, None], 0.9, "Noise is as it was drawn."),
    "refiner_checkpoint": ([None, "", "None"], "other", "One model makes a picture."),
    "firstpass_image": ([None, ""], "iVBORw0KGgo=", "The first pass is made here."),
    "comments": ([{}, None], {"a": "b"}, "Comments are not asked for."),
    "script_name": ([None, ""], "X/Y/Z plot", "There are no scripts."),
    "script_args": ([[], None], [1], "There are no scripts."),
    "alwayson_scripts": ([{}, None], {"ControlNet": {"args": []}}, "There are no extensions; the first is named."),
    "infotext": ([None, ""], "Steps: 20", "Each field is said by itself."),
    "clip_skip": ([1, 0, None], 2, "Every layer of the text encoder is used."),
}
ANY: dict[str, tuple[object, str]] = {
    "subseed": (77, "Without subseed_strength it says nothing, there as here."),
    "save_images": (True, "Every picture is kept for a while in any case."),
    "do_not_save_samples": (True, "Every picture is kept for a while in any case."),
    "do_not_save_grid": (True, "No grids are made in any case."),
    "refiner_switch_at": (0.8, "Without refiner_checkpoint it says nothing, there as here."),
    "url": ("http://localhost:7860", "Not looked at, there as here; SillyTavern sends it."),
    "auth": ("user:secret", "Not looked at, there as here, and not answered; SillyTavern sends it."),
}
ONLY_TXT2IMG: dict[str, tuple[list[object], object, str]] = {
    "firstphase_width": ([0, None], 64, "The first pass has the size that is asked for."),
    "firstphase_height": ([0, None], 64, "The first pass has the size that is asked for."),
    "hr_additional_modules": ([[], None], ["vae"], "A model has all of its parts."),
}
ONLY_IMG2IMG: dict[str, tuple[list[object], object, str]] = {
    "initial_noise_multiplier": ([1, None], 0.5, "Noise is as it was drawn."),
    "latent_mask": ([None, ""], "iVBORw0KGgo=", "There is one mask."),
}


def refusals() -> list[Any]:
    """Each field in each operation that has it."""
    both = [
        pytest.param(kind, field, *case[:2], marks=pytest.mark.compat(PATHS[kind], field, "refused", case[2]))
        for field, case in REFUSED.items()
        for kind in PATHS
    ]
    return both + [
        pytest.param(kind, field, *case[:2], marks=pytest.mark.compat(PATHS[kind], field, "refused", case[2]))
        for kind, cases in (("txt2img", ONLY_TXT2IMG), ("img2img", ONLY_IMG2IMG))
        for field, case in cases.items()
    ]


@pytest.mark.parametrize(("kind", "field", "taken", "refused"), refusals())
async def test_a_value_that_changes_something_is_refused_by_name(
    *, ask: Ask, kind: str, field: str, taken: list[object], refused: object
) -> None:
    model = {"txt2img": TextToImage, "img2img": ImageToImage}[kind]
    for value in taken:
        model.model_validate({field: value})
    assert_refused((await ask(kind, **{field: refused})).response, 422, "invalid_request", field)


async def test_all_that_changes_nothing_is_taken_at_once(ask: Ask) -> None:
    fields = {field: case[0][0] for field, case in (REFUSED | ONLY_TXT2IMG).items()}
    assert (await ask(**fields)).response.status_code == 200


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, marks=of_both(field, "exact", remark), id=field)
        for field, (value, remark) in ANY.items()
    ],
)
async def test_what_says_nothing_may_say_anything(ask: Ask, kind: str, field: str, value: object) -> None:
    answered = await ask(kind, seed=7, **{field: value})
    plain = await ask(kind, seed=7)
    ignored = {"image"}
    assert {k: v for k, v in answered.request.items() if k not in ignored} == {
        k: v for k, v in plain.request.items() if k not in ignored
    }
    assert "secret" not in answered.response.text


async def test_a_script_is_named(ask: Ask) -> None:
    response = (await ask(alwayson_scripts={"ADetailer": {"args": [True]}})).response
    assert_refused(response, 422, "invalid_request", "alwayson_scripts")
    assert '"ADetailer"' in response.json()["detail"]
