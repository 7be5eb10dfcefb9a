"""The classifier of noisy latents learns from true shares at true noise levels, and goes on after an interruption."""

import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training import checkpoints
from training.captions import Scene, read_vocabulary
from training.configuration import LatentsClassifierConfig, read_configuration
from training.groups import group_of, is_pure
from training.latents import Library
from training.measures import kernel_distance
from training.noise_aware import (
    Scenes,
    accuracies,
    group_members,
    library_keys,
    new_training,
    noisy_batch,
    shape_of,
    train_step,
    with_noise,
)
from training.schedule import build_scheduler

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))
CONFIG: LatentsClassifierConfig = replace(CONFIGURATION.latents_classifier, channels=[16, 16], embedding_channels=16)


@pytest.mark.parametrize(
    ("group", "subgroup", "expected"),
    [
        ("animals-nature", "animal-bug", "animals"),
        ("animals-nature", "plant-flower", "plants"),
        ("food-drink", "food-fruit", "fruit and vegetables"),
        ("food-drink", "food-sweet", "food and drink"),
        ("food-drink", "drink", "food and drink"),
        ("travel-places", "transport-air", "travel and places"),
        ("travel-places", "sky-weather", "sky and weather"),
        ("travel-places", "time", "objects"),
        ("objects", "tool", "objects"),
        ("smileys-emotion", "heart", "smileys"),
        ("flags", "country-flag", None),
        ("people-body", "person", None),
    ],
)
def test_groups_are_unicodes(group: str, subgroup: str, expected: str | None) -> None:
    assert group_of(group, subgroup) == expected


def test_a_scene_of_two_groups_is_half_of_each() -> None:
    scenes = two_groups()
    mixed, pure = Scene("beside", ("fox", "pizza"), "white"), Scene("beside", ("fox", "cat"), "white")
    shares, members = scenes.shares_of(mixed), group_members(scenes.labels, scenes.groups)
    assert shares.sum() == 1
    assert shares[members["animals"]].sum() == shares[members["food and drink"]].sum() == 0.5
    assert members["plants"] == []
    assert (is_pure(mixed, scenes.groups, "animals"), is_pure(pure, scenes.groups, "animals")) == (False, True)


def test_noise_is_what_the_model_was_trained_on() -> None:
    scheduler = build_scheduler()
    latents, timesteps = (
        torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(1)),
        torch.tensor([0, 9, 500, 999]),
    )
    noisy = with_noise(latents, torch.zeros(4, 8), timesteps, torch.Generator().manual_seed(3))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(noisy.latents, scheduler.add_noise(latents, noise, timesteps))
    ratio = noisy.log_snr.exp()
    assert torch.allclose(ratio / (1 + ratio), scheduler.alphas_cumprod[timesteps], atol=1e-6)
    assert noisy.log_snr[-1] == -torch.inf


def two_groups() -> Scenes:
    """Things that are told apart by the sign of their latents."""
    vocabulary = read_vocabulary(CONFIGURATION.vocabulary)
    things = {label: vocabulary.things[label] for label in ("fox", "pizza", "cat", "bread")}
    small = replace(vocabulary, things=things, colours={"white": (255, 255, 255), "black": (0, 0, 0)})
    keys = library_keys(small)
    groups = {"fox": "animals", "cat": "animals", "pizza": "food and drink", "bread": "food and drink"}
    signs = torch.tensor([1.0 if groups[key[0]] == "animals" else -1.0 for key in keys])
    rows: dict[tuple[str, str, str], list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    library = Library(signs[:, None, None, None].expand(-1, 2, 16, 16).half(), rows, 1.0)
    drawn = torch.zeros(5, 2, 16, 16).half()
    return Scenes(small, replace(CONFIGURATION.scenes, three=0.0, tinted=0.0), library, groups, drawn)


def test_it_learns_and_an_interruption_changes_nothing(tmp_path: Path) -> None:
    scenes = two_groups()
    shape = shape_of(CONFIG, 2, len(scenes.labels))
    whole = new_training(CONFIG, shape, 1.0, seed=0)
    for _ in range(60):
        train_step(whole, noisy_batch(scenes, 32, whole.rng, whole.noise), CONFIG, 0.1)
    checkpoints.save(whole, tmp_path / "checkpoint.pt")
    expected = train_step(whole, noisy_batch(scenes, 32, whole.rng, whole.noise), CONFIG, 0.2)
    resumed = new_training(CONFIG, shape, 1.0, seed=1)
    assert checkpoints.resume(resumed, tmp_path / "checkpoint.pt")
    assert train_step(resumed, noisy_batch(scenes, 32, resumed.rng, resumed.noise), CONFIG, 0.2) == expected
    found = accuracies(whole.network, scenes.library, scenes, seed=5)
    assert found["timestep 50"] == 1.0
    assert found["timestep 50"] >= found["timestep 900"]


def test_batches_are_of_the_whole_range_and_of_known_groups() -> None:
    batch = noisy_batch(two_groups(), 20, random.Random(0), torch.Generator().manual_seed(0))
    assert batch.latents.shape == (20, 2, 16, 16)
    assert batch.log_snr.min() < -4 < 2 < batch.log_snr.max()
    assert torch.allclose(batch.shares.sum(1), torch.ones(20))
    assert batch.shares[:, -1].tolist() == [0.0] * 14 + [1.0] * 6


def test_the_kernel_distance_of_one_distribution_is_none() -> None:
    generator = torch.Generator().manual_seed(0)
    same = [torch.randn(400, 16, generator=generator) for _ in range(2)]
    moved = same[1] + 1
    assert abs(kernel_distance(same[0], same[1])) < 0.1 * kernel_distance(same[0], moved)
