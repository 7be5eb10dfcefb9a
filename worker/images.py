"""From a decoded picture to a file that says how it was made: PNG, JPEG and WebP, the same bytes every time."""

import io
import json
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from contract.request import CompleteRequest
from worker.png import write_png

Pixels = npt.NDArray[np.uint8]

METADATA_KEY = "safelight"
"""The keyword under which a file holds the request that made it."""

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


def encode(pixels: Pixels, request: CompleteRequest, texts: Mapping[str, str] = MappingProxyType({})) -> bytes:
    """The file, in the format that the request asks for, with the request of this one image and further texts inside.

    A PNG has a chunk for each text. JPEG and WebP have one comment: its first line is the request, its second one all
    further texts as a JSON object; lines that do not fit are left out, the second one first.
    """
    comment = _compact(request.model_dump(mode="json"))
    if request.output_format == "png":
        return write_png(pixels, {METADATA_KEY: comment, **texts})
    lines = [comment, _compact(dict(texts))] if texts else [comment]
    output = io.BytesIO()
    extra = {"subsampling": 0} if request.output_format == "jpeg" else {}
    quality = request.effective_output_quality()
    Image.fromarray(pixels).save(output, request.output_format, quality=quality, exif=_exif(lines), **extra)
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
    comment = read_texts(encoded).get(METADATA_KEY)
    return None if comment is None else CompleteRequest.model_validate_json(comment)


def read_texts(encoded: bytes) -> dict[str, str]:
    """All texts in a file of `encode` by keyword, the request as JSON among them."""
    with Image.open(io.BytesIO(encoded)) as picture:
        if picture.format == "PNG":
            return {str(keyword): text for keyword, text in picture.info.items() if isinstance(text, str)}
        comment = picture.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    if comment is None:
        return {}
    request, _, texts = comment[len(UNDEFINED_CHARSET) :].decode().partition("\n")
    return {METADATA_KEY: request, **(json.loads(texts) if texts else {})}


def _compact(value: object) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _exif(lines: list[str]) -> Image.Exif:
    exif = Image.Exif()
    while lines and len("\n".join(lines).encode()) > LARGEST_COMMENT:
        lines = lines[:-1]
    if lines:
        exif.get_ifd(EXIF_IFD)[USER_COMMENT] = UNDEFINED_CHARSET + "\n".join(lines).encode()
    return exif
