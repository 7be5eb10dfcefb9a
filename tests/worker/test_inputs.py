"""From stored pictures to tensors: laws against the library's own processing, and closed forms."""

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor
from PIL import Image

from contract.errors import DamagedFile
from tests.pictures import encoded, gradient
from worker.images import pixels_of
from worker.inputs import read_mask, read_pixels, tensor_of

PICTURE = gradient()


def test_a_picture_is_what_the_library_makes_of_it() -> None:
    ours = tensor_of(read_pixels(encoded(PICTURE)))
    theirs = VaeImageProcessor(vae_scale_factor=1).preprocess(PICTURE)
    assert ours.shape == (1, 3, 16, 24)
    assert torch.equal(ours, theirs)


def test_pixels_survive_the_way_to_a_tensor_and_back() -> None:
    assert np.array_equal(pixels_of(tensor_of(read_pixels(encoded(PICTURE)))), np.asarray(PICTURE))
    assert np.array_equal(read_pixels(encoded(PICTURE)), np.asarray(PICTURE))


def test_grey_pictures_have_three_equal_channels() -> None:
    pixels = read_pixels(encoded(PICTURE.convert("L")))
    assert pixels.shape == (16, 24, 3)
    assert np.array_equal(pixels, np.repeat(np.asarray(PICTURE.convert("L"))[..., None], 3, axis=2))


def test_what_is_transparent_is_white() -> None:
    picture = PICTURE.copy()
    picture.putalpha(0)
    assert (read_pixels(encoded(picture)) == 255).all()
    picture.putalpha(255)
    assert np.array_equal(read_pixels(encoded(picture)), np.asarray(PICTURE))


def test_white_is_repainted_and_grey_in_part() -> None:
    mask = read_mask(encoded(Image.fromarray(np.array([[0, 51, 255]], dtype=np.uint8))))
    assert mask.tolist() == [[0, 51, 255]]
    white = read_mask(encoded(Image.new("RGB", (5, 4), "white")))
    assert white.shape == (4, 5)
    assert (white == 255).all()


def test_what_is_transparent_is_kept() -> None:
    painted = Image.new("RGBA", (3, 1), (255, 255, 255, 0))
    painted.putpixel((1, 0), (255, 255, 255, 255))
    painted.putpixel((2, 0), (0, 0, 0, 255))
    assert read_mask(encoded(painted)).tolist() == [[0, 255, 0]]


@pytest.mark.parametrize("content", [b"", b"text", encoded(PICTURE)[:-30], encoded(PICTURE, "JPEG")])
def test_what_cannot_be_read_is_a_typed_error(content: bytes) -> None:
    with pytest.raises(DamagedFile):
        read_mask(content)
