"""What pictures that a request names become: pixels, latents' range, or the weights of a mask."""

from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contract.errors import DamagedFile
from worker.images import Pixels

Inputs = Mapping[str, bytes]
"""The bytes of the files that a request names, by their ids."""

NO_INPUTS: Inputs = MappingProxyType({})


def read_pixels(png: bytes) -> Pixels:
    """The picture in RGB, on white where it is transparent. Raises: DamagedFile.

    Shapes: result (height, width, 3).
    """
    picture = _opened(png)
    if picture.mode != "RGBA":
        return np.asarray(picture.convert("RGB"))
    white = Image.new("RGBA", picture.size, "white")
    return np.asarray(Image.alpha_composite(white, picture).convert("RGB"))


def read_picture(png: bytes) -> Tensor:
    """The picture as autoencoders take it. Raises: DamagedFile.

    Shapes: result (1, 3, height, width), from -1 to 1.
    Source: must equal `diffusers.image_processor.VaeImageProcessor.preprocess`.
    """
    return _channels_first(read_pixels(png)) * 2 - 1


def read_mask(png: bytes) -> Tensor:
    """How much each pixel is repainted: its brightness, times its opacity, so what is transparent is kept.

    Raises: DamagedFile. Shapes: result (1, 1, height, width), from 0 to 1.
    """
    picture = _opened(png)
    brightness = _channels_first(np.asarray(picture.convert("L"))[..., None])
    if picture.mode != "RGBA":
        return brightness
    return brightness * _channels_first(np.asarray(picture.getchannel("A"))[..., None])


def _opened(png: bytes) -> Image.Image:
    try:
        picture = Image.open(BytesIO(png), formats=("PNG",))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise DamagedFile("A stored picture cannot be read.") from error
    return picture


def _channels_first(pixels: Pixels) -> Tensor:
    """Shapes: pixels (height, width, C); result (1, C, height, width), from 0 to 1."""
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
