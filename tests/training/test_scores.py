"""The judges tell real renders apart, and a score is right about pictures of which the truth is known."""

import itertools
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from training.checkpoints import Budget
from training.classifier import Classifier, Cutouts, cutouts, fresh_answers, kept_classifier, train_classifier
from training.contact_sheet import contact_sheet
from training.evaluate import AT_MOST, WANTED, missed
from training.measures import count_things
from training.places import KINDS
from training.scenes import compose
from training.scores import WHITE, Judges, Score, difference, judge_pairs, score_distance, score_memorised, share
from training.sprites import Sprite

CHANNELS = (16, 32, 32, 64)


def drawing(name: str, colour: str, corners: int) -> Sprite:
    image = Image.new("RGBA", (80, 80))
    ImageDraw.Draw(image).regular_polygon((40, 40, 39), corners, fill=colour)
    return Sprite(name, image)


SPRITES = {
    f"{colour} {corners}": drawing(f"{colour} {corners}", colour, corners)
    for colour in ("red", "lime")
    for corners in (3, 4)
}


@pytest.fixture(scope="module")
def known() -> Cutouts:
    return cutouts(list(SPRITES.values()), list(SPRITES))


@pytest.fixture(scope="module")
def judge(known: Cutouts) -> Classifier:
    counted = Budget(250, clock=itertools.count().__next__)
    return train_classifier(known, counted, 1, CHANNELS, batch_size=32)


def test_a_judge_knows_fresh_renders(judge: Classifier, known: Cutouts) -> None:
    assert sum(fresh_answers(judge, known, seed=2)) >= 7
    images = [compose(("centre",), [sprite], WHITE, random.Random(3)) for sprite in SPRITES.values()]
    assert judge.scores(images).argmax(1).tolist() == [0, 1, 2, 3]


def test_a_cutout_stands_on_a_plain_colour(known: Cutouts) -> None:
    pictures = known.augmented(torch.tensor([0, 1] * 8), torch.Generator().manual_seed(0))
    assert pictures.shape == (16, 3, 64, 64)
    corners = pictures[:, :, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners - corners[..., :1]).abs().max() < 0.05
    assert -1.001 < pictures.min() < pictures.max() < 1.001


def test_a_judge_is_kept_while_its_classes_are_the_same(known: Cutouts, tmp_path: Path) -> None:
    path = tmp_path / "judge.pt"
    first = kept_classifier(path, known, 0.2, 1, CHANNELS)
    again = kept_classifier(path, known, 0.2, 2, CHANNELS)
    pairs = zip(first.network.state_dict().values(), again.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    fewer = cutouts([SPRITES["red 3"]], ["red 3"])
    assert kept_classifier(path, fewer, 0.2, 1, CHANNELS).labels == ("red 3",)


@pytest.mark.parametrize("kind", ["beside", "stacked"])
def test_a_pair_is_where_it_should_be(judge: Classifier, kind: str) -> None:
    judges = Judges(judge, judge, {name: name for name in SPRITES})
    image = compose(KINDS[kind], [SPRITES["red 3"], SPRITES["lime 4"]], WHITE, random.Random(0))
    assert judge_pairs(judges, [image], kind, [("red 3", "lime 4")]) == ([True], [True])
    assert judge_pairs(judges, [image], kind, [("lime 4", "red 3")]) == ([False], [False])


def test_four_things_are_counted() -> None:
    assert count_things([compose(KINDS["four"], [SPRITES["red 4"]] * 4, WHITE, random.Random(0))]) == [4]


def test_copies_are_memorised_and_others_are_not() -> None:
    sprites = list(SPRITES.values())
    copies = [compose(("centre",), [sprite], WHITE, random.Random(8)) for sprite in sprites[:1]]
    assert score_memorised(copies, sprites[:1])["memorised"].value == 1
    others = [compose(("centre",), [drawing("", "blue", 5)], WHITE, random.Random(1))]
    assert score_memorised(others, sprites)["memorised"].value == 0


def test_other_pictures_are_further_than_chance(judge: Classifier) -> None:
    sprites = list(SPRITES.values()) * 4
    rng = random.Random(1)
    same = [compose(("centre",), [sprite], WHITE, rng) for sprite in sprites]
    other = [Image.new("RGB", (128, 128), (0, 0, 90 + index)) for index in range(len(sprites))]
    near, far = (score_distance(judge, drawn, sprites)["kid_over_floor"].value for drawn in (same, other))
    assert near + 0.3 < far


def test_an_interval_of_a_share() -> None:
    score = share([True] * 8 + [False] * 2)
    assert (score.value, score.number) == (0.8, 10)
    assert (score.low, score.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)


def test_a_difference_is_less_sure_than_both() -> None:
    score = difference(Score(0.9, 0.8, 0.95, 50), Score(0.7, 0.6, 0.8, 50))
    assert score.value == pytest.approx(0.2)
    assert score.low == pytest.approx(0.2 - (0.1**2 + 0.1**2) ** 0.5)


def test_what_is_missed_is_named() -> None:
    scores = {name: Score(least, 0, 1, 1) for name, least in WANTED.items()}
    scores |= {name: Score(most, 0, 1, 1) for name, most in AT_MOST.items()}
    assert missed(scores) == []
    scores["count"] = replace(scores["count"], value=0.5)
    scores["seen_less_held_out"] = replace(scores["seen_less_held_out"], value=0.2)
    assert missed(scores) == ["count", "seen_less_held_out"]


def test_editions_stand_side_by_side() -> None:
    red, blue = (Image.new("RGB", (128, 128), colour) for colour in ("red", "blue"))
    sheet = contact_sheet([[red] * 9, [blue] * 9], [f"prompt {number}" for number in range(9)], cell=64)
    assert [sheet.getpixel((x, 40)) for x in (40, 100)] == [(255, 0, 0), (0, 0, 255)]
    assert sheet.getpixel((40, 64 + 36 + 6 + 40)) == (255, 0, 0)
