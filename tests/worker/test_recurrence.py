"""Steps that are made again: back up to the level that they came from, and as many of them as before."""

import pytest
import torch

from contract.errors import UnsupportedScheduler
from contract.guidance_limits import RENOISING_SCHEDULERS
from contract.request import SCHEDULERS, Scheduler
from worker.samplers import SAMPLERS
from worker.schedules import Schedule
from worker.trained_noise import read_trained_noise

CONFIGS = {
    "diffusion": {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1},
    "zero terminal signal": {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    "flow": {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0},
}
STEPS = 6


def schedule_of(name: str, scheduler: Scheduler) -> Schedule:
    return SAMPLERS[scheduler].schedule_for(read_trained_noise(CONFIGS[name]), STEPS, 16)


CASES = [
    (name, scheduler)
    for name in CONFIGS
    for scheduler in RENOISING_SCHEDULERS
    if (name == "flow" and SAMPLERS[scheduler].fits_flow) or (name != "flow" and SAMPLERS[scheduler].course)
]


@pytest.mark.parametrize(("name", "scheduler"), CASES)
def test_going_back_has_the_signal_and_the_noise_of_where_it_came_from(name: str, scheduler: Scheduler) -> None:
    schedule = schedule_of(name, scheduler).with_recurrence(3)
    again = [evaluation for evaluation in schedule.evaluations if evaluation.back is not None]
    legs = [leg for leg in schedule.course.legs for _ in range(2)]
    assert len(again) == len(legs) == 2 * STEPS
    for evaluation, leg in zip(again, legs, strict=True):
        assert evaluation.back is not None
        kept, added = evaluation.back
        torch.testing.assert_close(kept * leg.there.alpha, leg.here.alpha)
        torch.testing.assert_close((kept * leg.there.sigma) ** 2 + added**2, leg.here.sigma**2)


@pytest.mark.parametrize(("name", "scheduler"), CASES)
def test_as_many_steps_count_as_before(name: str, scheduler: Scheduler) -> None:
    schedule = schedule_of(name, scheduler).with_recurrence(3)
    assert [evaluation.step for evaluation in schedule.evaluations] == [
        done for step in range(STEPS) for done in (step, step, step + 1)
    ]


def test_only_steps_from_some_levels_are_made_again() -> None:
    usual = schedule_of("diffusion", "ddim")
    schedule = usual.with_recurrence(4, lambda here: bool(here.sigma < usual.evaluations[3].here.alpha))
    assert len(schedule.evaluations) < 4 * STEPS
    assert {float(one.here.sigma) < float(usual.evaluations[3].here.alpha) for one in schedule.evaluations if one.back}


def test_a_part_of_a_schedule_is_made_again_as_the_whole() -> None:
    part = schedule_of("diffusion", "ddim").with_recurrence(2).from_strength(0.5)
    assert [evaluation.step for evaluation in part.evaluations] == [0, 1, 1, 2, 2, 3]


@pytest.mark.parametrize("scheduler", [name for name in SCHEDULERS if name not in RENOISING_SCHEDULERS])
def test_steps_that_depend_on_one_another_are_not_made_again(scheduler: Scheduler) -> None:
    schedule = schedule_of("diffusion", scheduler)
    with pytest.raises(UnsupportedScheduler) as raised:
        schedule.with_recurrence(2)
    assert raised.value.field == "scheduler"
    with pytest.raises(UnsupportedScheduler):
        schedule.with_renoising()
