"""The classifier of noisy latents is made of templates of things, at the noise that the model was trained on."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from training.captions import Vocabulary, read_vocabulary
from training.configuration import read_configuration
from training.groups import group_of
from training.latents import Library, library_of
from training.measures import kernel_distance
from training.noise_aware import (
    Singles,
    accuracies,
    colour_shares,
    described,
    fitted,
    group_members,
    of_library,
    single_keys,
    thing_shares,
    with_noise,
)
from training.schedule import build_scheduler

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))
CONFIG = replace(CONFIGURATION.latents_classifier, rank=6)
GROUPED = {"fox": "animals", "cat": "animals", "pizza": "food and drink", "bread": "food and drink"}


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


def test_noise_is_what_the_model_was_trained_on() -> None:
    scheduler = build_scheduler()
    latents, timesteps = (
        torch.randn(4, 2, 8, 8, generator=torch.Generator().manual_seed(1)),
        torch.tensor([0, 9, 500, 999]),
    )
    noisy = with_noise(latents, timesteps, torch.Generator().manual_seed(3))
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(noisy.latents, scheduler.add_noise(latents, noise, timesteps))
    ratio = noisy.log_snr.exp()
    assert torch.allclose(ratio / (1 + ratio), scheduler.alphas_cumprod[timesteps], atol=1e-6)
    assert noisy.log_snr[-1] == -torch.inf


def test_pictures_count_as_often_as_training_shows_them() -> None:
    vocabulary = read_vocabulary(CONFIGURATION.vocabulary)
    things, colours = (shares(vocabulary, CONFIGURATION.scenes) for shares in (thing_shares, colour_shares))
    tinted = torch.tensor([thing.tint is not None for thing in vocabulary.things.values()])
    assert things[tinted].sum() == pytest.approx(CONFIGURATION.scenes.tinted)
    assert things.sum() == pytest.approx(1)
    assert colours[list(vocabulary.colours).index("white")] == pytest.approx(CONFIGURATION.scenes.white)
    assert colours.sum() == pytest.approx(1)


def small_vocabulary() -> Vocabulary:
    whole = read_vocabulary(CONFIGURATION.vocabulary)
    things = {label: whole.things[label] for label in GROUPED}
    colours = {"white": (255, 255, 255), "black": (0, 0, 0), "red": (255, 0, 0), "green": (0, 255, 0)}
    return replace(whole, things=things, colours=colours)


def pictures(seed: int) -> Library:
    """Things that shift with the colour behind them, with a little of chance that the seed decides."""
    vocabulary, draw = small_vocabulary(), torch.Generator().manual_seed(2)
    keys = single_keys(vocabulary, num_renders=3)
    looks = torch.randn(len(GROUPED), 2, 8, 8, generator=draw)
    backgrounds = torch.randn(3, 2, 8, 8, generator=draw)
    labels = list(vocabulary.things)
    colours = {name: torch.tensor(rgb) / 127.5 - 1 for name, rgb in vocabulary.colours.items()}
    plain = [
        looks[labels.index(label)] + torch.einsum("i,ichw->chw", colours[name], backgrounds) for label, _, name in keys
    ]
    chance = torch.randn((len(keys), 2, 8, 8), generator=torch.Generator().manual_seed(seed))
    return library_of(torch.stack(plain) + 0.05 * chance, keys, 1.0)


def singles() -> Singles:
    """Such things, and what shows none: chance alone."""
    drawn = torch.randn((40, 2, 8, 8), generator=torch.Generator().manual_seed(3))
    return of_library(pictures(0), small_vocabulary(), replace(CONFIGURATION.scenes, tinted=0.0), drawn)


def test_templates_are_what_things_look_like_on_any_colour() -> None:
    shown = singles()
    network = fitted(shown, CONFIG, seed=0)
    made = described(network.templates, shown) @ network.basis.T + network.mean
    left = made - shown.latents.flatten(1)
    assert left.square().mean() < 1.2 * 0.05**2
    assert network.spread.max() < 2 * CONFIG.spread_share * 0.05**2
    assert network.outside_spread[0] == pytest.approx(0.05**2, rel=0.2)
    assert network.outside_spread[1] > 0.5


def test_it_knows_things_and_groups_and_what_is_none_of_them() -> None:
    shown = singles()
    network = fitted(shown, CONFIG, seed=0)
    assert shown.labels == [*GROUPED, "nothing known"]
    members = group_members(shown.labels, GROUPED)
    assert (members["animals"], members["food and drink"], members["plants"]) == ([0, 1], [2, 3], [])
    found = accuracies(network, pictures(1), shown, GROUPED, seed=5)
    assert found["timestep 50"] == 1.0
    assert found["timestep 250"] >= found["timestep 900"]
    nothing = with_noise(shown.drawn, torch.full((40,), 100), torch.Generator().manual_seed(4))
    assert (network(*nothing).argmax(1) == len(GROUPED)).float().mean() > 0.9


def test_the_kernel_distance_of_one_distribution_is_none() -> None:
    generator = torch.Generator().manual_seed(0)
    same = [torch.randn(400, 16, generator=generator) for _ in range(2)]
    moved = same[1] + 1
    assert abs(kernel_distance(same[0], same[1])) < 0.1 * kernel_distance(same[0], moved)
