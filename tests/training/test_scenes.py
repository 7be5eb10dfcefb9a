"""Composition is decided by its seed, and latents of pairs are put together from their halves."""

import random

import torch
from PIL import Image

from training.captions import Scene
from training.latents import Library
from training.places import KINDS
from training.scenes import compose, to_images, to_tensor
from training.sprites import Sprite, tinted

RED = Sprite("red square", Image.new("RGBA", (40, 40), (255, 0, 0, 255)))
BLUE = Sprite("blue square", Image.new("RGBA", (40, 40), (0, 0, 255, 255)))


def test_equal_seeds_give_equal_pictures() -> None:
    first, second = (compose(("centre",), [RED], (255, 255, 255), random.Random(3)) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_left_is_left() -> None:
    image = compose(KINDS["beside"], [RED, BLUE], (255, 255, 255), random.Random(0))
    assert image.getpixel((33, 64)) == (255, 0, 0)
    assert image.getpixel((95, 64)) == (0, 0, 255)
    assert image.getpixel((2, 2)) == (255, 255, 255)


def test_tensors_and_pictures_are_inverse() -> None:
    image = compose(KINDS["three"], [RED] * 3, (10, 200, 30), random.Random(0))
    assert to_images(to_tensor([image]))[0].tobytes() == image.tobytes()


def test_a_tint_turns_the_hue() -> None:
    red, _, blue, _ = tinted(RED, "blue square", 170).image.getpixel((20, 20))
    assert blue > 200 > red


def test_pairs_are_cut_from_pictures_of_one_thing() -> None:
    latents = torch.stack([torch.full((2, 16, 16), 1.0), torch.full((2, 16, 16), 2.0)]).half()
    library = Library(latents, {("a", "beside", "white"): [0], ("b", "beside", "white"): [1]}, 1.0)
    scene = library.scene(Scene("beside", ("a", "b"), "white"), random.Random(0))
    assert scene[:, :, :8].eq(1).all()
    assert scene[:, :, 8:].eq(2).all()
    assert library.latents[0].eq(1).all()
