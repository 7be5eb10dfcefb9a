"""What a request of this dialect becomes in a job."""

from typing import Any

import pytest

from tests.dialects.automatic1111.conftest import PATHS, Ask, assert_refused

SAME = {
    "steps": (30, "num_inference_steps", 30, "exact", "That many denoising steps are made."),
    "cfg_scale": (3.5, "guidance_scale", 3.5, "exact", "The weight of classifier-free guidance; 1 is off."),
    "width": (192, "width", 192, "exact", "In pixels; a size that the model does not take is refused."),
    "height": (96, "height", 96, "exact", "In pixels; a size that the model does not take is refused."),
    "seed": (7, "seed", 7, "exact", "Picture i has seed + i; -1 draws one."),
    "negative_prompt": ("a (leaf:1.2)", "negative_prompt", "a (leaf:1.2)", "exact", "With the syntax of AUTOMATIC1111."),
}


def of_both(field: str, how: str, remark: str) -> list[pytest.MarkDecorator]:
    """Says of both operations what becomes of a field."""
    return [pytest.mark.compat(operation, field, how, remark) for operation in PATHS.values()]


def each(cases: dict[str, tuple[Any, ...]]) -> list[Any]:
    """A parameter set for each field, with its marks; the last two of a case are how, and a remark."""
    return [pytest.param(field, *case[:-2], marks=of_both(field, *case[-2:]), id=field) for field, case in cases.items()]


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize(("field", "value", "ours", "becomes"), each(SAME))
async def test_a_field_is_one_of_ours(ask: Ask, kind: str, field: str, value: Any, ours: str, becomes: Any) -> None:
    answered = await ask(kind, **{field: value})
    assert answered.response.status_code == 200, answered.response.text
    assert answered.request[ours] == becomes
