"""What is random, what is wrong with a run, and what of a picture is seen."""

from collections import Counter

import numpy as np
import pytest
import torch

from tests.worker.fine_tuning.orders import lesson
from worker.fine_tuning import draws
from worker.fine_tuning.examination import memorised, nearest
from worker.fine_tuning.health import has_diverged, is_sound
from worker.fine_tuning.material import split, square
from worker.inputs import read_pixels

STEADY = [0.3, 0.5, 0.2, 0.4] * 5


def test_draws_depend_on_seed_step_and_purpose() -> None:
    numbers = {
        float(torch.rand(1, generator=draws.draws(seed, step, purpose)))
        for seed in (0, 2**63 - 1)
        for step in (0, 1)
        for purpose in ("order", "dropout")
    }
    assert len(numbers) == 8


def test_every_lesson_comes_before_any_comes_again() -> None:
    taken = [place for step in range(9) for place in draws.chosen(6, 4, seed=7, step=step)]
    for start in range(0, 36, 6):
        assert sorted(taken[start : start + 6]) == list(range(6))
    assert taken[:6] != taken[6:12]


@pytest.mark.parametrize(("share", "expected"), [(0.0, (0, 0)), (1.0, (4000, 4000)), (0.1, (330, 470))])
def test_captions_are_left_out_as_often_as_is_asked(share: float, expected: tuple[int, int]) -> None:
    count = sum(sum(draws.dropped(4, share, 7, step)) for step in range(1000))
    assert expected[0] <= count <= expected[1]


def test_timesteps_come_from_all_parts() -> None:
    timesteps = draws.stratified_timesteps(10, 1000, draws.draws(7, 0, "lessons"))
    assert Counter((timesteps // 100).tolist()) == Counter(range(10))


@pytest.mark.parametrize(
    ("losses", "diverged", "sound"),
    [
        (STEADY, False, True),
        ([*STEADY, *(2 * loss for loss in STEADY)], False, False),
        ([*STEADY, *(4 * loss for loss in STEADY)], True, False),
        ([*STEADY, float("nan")], True, False),
        ([float("inf")], True, False),
        ([*STEADY, 9.0], False, True),
        ([0.1, 9.0], False, True),
    ],
    ids=["steady", "rising", "lost", "nan", "infinite", "one bad step", "only begun"],
)
def test_when_a_run_has_gone_wrong(losses: list[float], diverged: bool, sound: bool) -> None:
    assert (has_diverged(losses), is_sound(losses)) == (diverged, sound)


@pytest.mark.parametrize("size", [(64, 64), (100, 50), (40, 90), (33, 32), (500, 400)], ids=str)
def test_pictures_are_scaled_and_cut_around_their_middle(size: tuple[int, int]) -> None:
    assert square(lesson("", 1, size).picture, 32).shape == (32, 32, 3)


def test_a_square_picture_of_the_right_size_is_not_touched() -> None:
    picture = lesson("", 1).picture
    assert np.array_equal(square(picture, 64), read_pixels(picture))


@pytest.mark.parametrize(("number", "held"), [(1, 0), (9, 0), (10, 2), (14, 2), (15, 3)])
def test_every_fifth_picture_of_ten_or_more_is_held_out(number: int, held: int) -> None:
    taught, kept = split([lesson(str(place), place) for place in range(number)])
    assert len(kept) == held
    assert len({one.caption for one in taught} | {one.caption for one in kept}) == number


def test_a_copy_is_told_from_another_picture() -> None:
    pictures = [square(lesson("", place).picture, 64) for place in range(4)]
    found = nearest([[pictures[1], pictures[3]]], [0], ["a copy", "another"], pictures[:3])
    assert found[0].distance == 0
    assert found[1].distance > found[1].among_training
    assert memorised(found) == 0.5
