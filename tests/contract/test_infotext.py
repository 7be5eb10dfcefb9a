"""What a picture says in AUTOMATIC1111's words."""

import pytest

from contract.infotext import infotext
from contract.request import SCHEDULERS, Scheduler
from contract.sampler_names import SAMPLER_NAMES
from tests.conftest import complete_request


def test_the_text_has_the_lines_that_readers_look_for() -> None:
    request = complete_request(
        negative_prompt="a leaf", guidance_scale=7.0, scheduler="dpmpp_2m_karras", width=96, strength=0.75
    )
    assert infotext(request) == (
        "a red apple\n"
        "Negative prompt: a leaf\n"
        "Steps: 4, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 7, Size: 96x64, Model: tiny, "
        "Denoising strength: 0.75"
    )


def test_adapters_are_marks_in_the_prompt() -> None:
    request = complete_request(adapters=[{"id": "gilded", "scale": 0.8}, {"id": "other", "scale": -1.0}])
    assert infotext(request).splitlines()[0] == "a red apple <lora:gilded:0.8> <lora:other:-1>"
    assert infotext(complete_request(prompt="")).startswith("Steps: 4, ")


def test_a_name_that_would_be_taken_for_several_parts_is_quoted() -> None:
    assert 'Model: "some, model: two"' in infotext(complete_request(model="some, model: two"))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_scheduler_has_a_name(scheduler: Scheduler) -> None:
    name = SAMPLER_NAMES[scheduler]
    said = f"Sampler: {name.sampler}, Schedule type: {name.schedule}, "
    assert said in infotext(complete_request(scheduler=scheduler))
