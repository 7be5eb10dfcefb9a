"""From a decoded picture to a file that says how it was made: PNG, JPEG and WebP, the same bytes every time."""

import io
import json

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from contract.request import CompleteRequest

Pixels = npt.NDArray[np.uint8]

METADATA_KEY = "safelight"
"""The keyword of the PNG chunk that holds the request."""

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
UNDEFINED_CHARSET = bytes(8)
LARGEST_COMMENT = 60_000
"""Bytes; a JPEG segment ends at 65,535."""

PREVIEW_SIZE = 128
"""Pixels along the longer side."""


def pixels_of(decoded: Tensor) -> Pixels:
    """The picture as bytes.

    Shapes: decoded (1, 3, height, width), from -1 to 1; result (height, width, 3).
    Source: must equal `diffusers.image_processor.VaeImageProcessor.postprocess`.
    """
    unit = (decoded[0] * 0.5 + 0.5).clamp(0, 1)
    pixels: Pixels = (unit.permute(1, 2, 0).float().cpu() * 255).round().to(torch.uint8).numpy()
    return pixels


def encode(pixels: Pixels, request: CompleteRequest) -> bytes:
    """The file, in the format that the request asks for, with the request of this one image inside."""
    picture = Image.fromarray(pixels)
    comment = json.dumps(request.model_dump(mode="json"), ensure_ascii=False, separators=(",", ":"))
    output = io.BytesIO()
    match request.output_format:
        case "png":
            picture.save(output, "png", pnginfo=_png_info(comment))
        case "jpeg":
            picture.save(output, "jpeg", quality=92, subsampling=0, exif=_exif(comment))
        case "webp":
            picture.save(output, "webp", quality=92, exif=_exif(comment))
    return output.getvalue()


def encode_preview(pixels: Pixels) -> bytes:
    """A small JPEG of a picture that is still changing."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((PREVIEW_SIZE, PREVIEW_SIZE))
    output = io.BytesIO()
    picture.save(output, "jpeg", quality=75)
    return output.getvalue()


def read_request(encoded: bytes) -> CompleteRequest | None:
    """The request that made a file of `encode`; None where it does not say."""
    with Image.open(io.BytesIO(encoded)) as picture:
        comment = picture.info.get(METADATA_KEY) if picture.format == "PNG" else _comment_of(picture.getexif())
    return None if comment is None else CompleteRequest.model_validate_json(comment)


def _png_info(comment: str) -> PngInfo:
    info = PngInfo()
    info.add_itxt(METADATA_KEY, comment)
    return info


def _exif(comment: str) -> Image.Exif:
    exif = Image.Exif()
    encoded = comment.encode()
    if len(encoded) <= LARGEST_COMMENT:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = UNDEFINED_CHARSET + encoded
    return exif


def _comment_of(exif: Image.Exif) -> str | None:
    comment = exif.get_ifd(EXIF_IFD).get(USER_COMMENT)
    return None if comment is None else comment[len(UNDEFINED_CHARSET) :].decode()
