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


def tensor_of(picture: Pixels) -> Tensor:
    """The picture as autoencoders take it.

    Shapes: picture (height, width, 3), result (1, 3, height, width), from -1 to 1.
    Source: must equal `diffusers.image_processor.VaeImageProcessor.preprocess`, its layout in memory too, by which
            kernels are chosen.
    """
    unit = torch.from_numpy(picture.astype(np.float32)[None] / 255)
    return 2.0 * unit.permute(0, 3, 1, 2) - 1.0


def read_mask(png: bytes) -> Pixels:
    """How much each pixel is repainted: its brightness, times its opacity, so what is transparent is kept.

    Raises: DamagedFile. Shapes: result (height, width), from 0 to 255.
    """
    picture = _opened(png)
    brightness = np.asarray(picture.convert("L"))
    if picture.mode != "RGBA":
        return brightness
    opacity = np.asarray(picture.getchannel("A")).astype(np.uint16)
    return ((brightness * opacity + 127) // 255).astype(np.uint8)


def _opened(png: bytes) -> Image.Image:
    try:
        picture = Image.open(BytesIO(png), formats=("PNG",))
        picture.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise DamagedFile("A stored picture cannot be read.") from error
    return picture
