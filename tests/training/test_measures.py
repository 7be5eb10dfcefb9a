"""The measures agree with pictures whose likeness, colours and counts are known beforehand."""

import random

import pytest
import torch
from PIL import Image, ImageDraw

from training.measures import count_things, nearest_colours, patch_sizes, psnr, ssim
from training.places import KINDS
from training.scenes import compose
from training.scores import top_shares
from training.sprites import Sprite

_DISC = Image.new("RGBA", (40, 40), (0, 160, 0, 0))
ImageDraw.Draw(_DISC).ellipse((0, 0, 39, 39), fill=(0, 160, 0, 255))
DISC = Sprite("green disc", _DISC)
COLOURS = {"white": (255, 255, 255), "blue": (40, 90, 220), "grey": (128, 128, 128)}


def flat(*levels: float) -> torch.Tensor:
    """One flat picture for each level in -1 … 1."""
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, 32, 32).contiguous()


def test_an_error_of_a_tenth_of_the_range_is_20_decibels() -> None:
    torch.testing.assert_close(psnr(flat(0.2, 0.7), flat(0.0, 0.5)), torch.tensor([20.0, 20.0]))


def test_flat_pictures_are_as_similar_as_their_brightness() -> None:
    dark, light = 0.25, 0.75
    wanted = (2 * dark * light + 0.01**2) / (dark**2 + light**2 + 0.01**2)
    found = ssim(flat(2 * dark - 1), flat(2 * light - 1))
    torch.testing.assert_close(found, torch.tensor([wanted]), rtol=1e-3, atol=0)


def test_a_picture_is_wholly_similar_to_itself_alone() -> None:
    noise = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    torch.testing.assert_close(ssim(noise, noise), torch.ones(2))
    assert ssim(noise, noise.flip(3)).max() < 0.2


@pytest.mark.parametrize("name", COLOURS)
def test_a_background_has_the_nearest_name(name: str) -> None:
    red, green, blue = COLOURS[name]
    image = compose(KINDS["single"], [DISC], (red - 15, green - 15, blue - 15), random.Random(0))
    assert nearest_colours([image], COLOURS) == [name]


@pytest.mark.parametrize(("kind", "count"), [("single", 1), ("beside", 2), ("stacked", 2), ("three", 3)])
def test_things_are_counted(kind: str, count: int) -> None:
    spots = KINDS[kind]
    images = [compose(spots, [DISC] * len(spots), colour, random.Random(1)) for colour in COLOURS.values()]
    assert count_things(images) == [count] * len(images)


def test_patches_touch_at_their_sides_and_not_at_their_corners() -> None:
    rows = ["##..", "#...", "..#.", "...#"]
    mask = torch.tensor([[cell == "#" for cell in row] for row in rows])
    assert sorted(patch_sizes(mask)) == [1, 1, 3]


def test_a_rank_counts_what_scores_higher() -> None:
    found = torch.tensor([[9.0, 1, 2, 3, 4, 5], [9, 8, 7, 6, 5, 4], [0, 5, 4, 3, 2, 1]])
    values = {name: score.value for name, score in top_shares(found, [0, 4, 0], "names").items()}
    assert values == pytest.approx({"names_top1": 1 / 3, "names_top5": 2 / 3})
