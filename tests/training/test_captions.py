"""Captions are true to their scenes, and what evaluation asks for is never in training."""

import random
from pathlib import Path

import pytest

from training.captions import Scene, Vocabulary, caption, is_held_out_pair, read_vocabulary, sample_scene, with_article
from training.configuration import Shares, read_configuration

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return read_vocabulary(CONFIGURATION.vocabulary)


@pytest.mark.parametrize(
    ("name", "text"), [("fox", "a fox"), ("egg", "an egg"), ("unicorn", "a unicorn"), ("umbrella", "an umbrella")]
)
def test_articles(name: str, text: str) -> None:
    assert with_article(name) == text


def test_left_and_right_name_the_spots(vocabulary: Vocabulary) -> None:
    texts = {caption(Scene("beside", ("fox", "pizza"), "blue"), vocabulary, random.Random(seed)) for seed in range(200)}
    names = [(left, right) for left in vocabulary.things["fox"].names for right in vocabulary.things["pizza"].names]
    for text in texts:
        assert "blue background" in text
        fox = min(text.find(left) for left, _ in names if left in text)
        pizza = min(text.find(right) for _, right in names if right in text)
        assert ("to the right of" in text) == (pizza < fox), text


def test_a_coloured_background_is_always_named(vocabulary: Vocabulary) -> None:
    rng = random.Random(0)
    for _ in range(500):
        scene = sample_scene(vocabulary, CONFIGURATION.scenes, rng)
        if scene.colour != "white":
            assert f"{scene.colour} background" in caption(scene, vocabulary, rng)


def test_counts_are_named(vocabulary: Vocabulary) -> None:
    assert caption(Scene("beside", ("frog", "frog"), "white"), vocabulary, random.Random(1)).startswith("two frogs")
    assert "three mice" in caption(Scene("three", ("mouse",) * 3, "red"), vocabulary, random.Random(1))
    assert "four wolves" in caption(Scene("four", ("wolf",) * 4, "red"), vocabulary, random.Random(1))


def test_only_flat_things_are_called_flat(vocabulary: Vocabulary) -> None:
    for seed in range(100):
        assert "flat" in caption(Scene("flat", ("fox",), "white"), vocabulary, random.Random(seed))
        assert "flat" not in caption(Scene("single", ("fox",), "white"), vocabulary, random.Random(seed))


def test_held_out_sayings_never_occur(vocabulary: Vocabulary) -> None:
    shares = Shares(beside=0.4, stacked=0.2, two=0.0, three=0.0, four=0.0, flat=0.1, tinted=0.1, white=0.5)
    held_out = [thing.held_out for thing in vocabulary.things.values() if thing.held_out is not None]
    rng = random.Random(0)
    kinds = set()
    for _ in range(1000):
        scene = sample_scene(vocabulary, shares, rng)
        kinds.add(scene.kind)
        assert len(scene.labels) == 1 or not is_held_out_pair(*scene.labels)
        text = caption(scene, vocabulary, rng)
        assert not any(saying in text.split(" on ") for saying in held_out)
    assert kinds == {"single", "beside", "stacked", "flat"}


def test_sayings_that_are_held_out_are_no_names(vocabulary: Vocabulary) -> None:
    names = {with_article(name) for thing in vocabulary.things.values() for name in thing.names}
    assert not names & {thing.held_out for thing in vocabulary.things.values()}
