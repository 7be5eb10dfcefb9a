"""From a decoded picture to a file that says how it was made: PNG, JPEG and WebP, the same bytes every time."""

import io
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from contract.infotext import INFOTEXT_KEY, infotext
from contract.request import CompleteRequest
from worker.png import write_png

Pixels = npt.NDArray[np.uint8]

METADATA_KEY = "safelight"
"""The keyword under which a file holds the request that made it."""

EXIF_IFD, USER_COMMENT, IMAGE_DESCRIPTION = 0x8769, 0x9286, 0x010E
UNICODE = b"UNICODE\0"
LARGEST_EXIF = 60_000
"""Bytes of what is said in it; a JPEG segment ends at 65,535."""

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

    A PNG has a chunk for each text. JPEG and WebP have the infotext as EXIF's comment, and a description: its first
    line is the request, its second one all further texts as a JSON object; lines that do not fit are left out, the
    second one first.
    """
    comment = _compact(request.model_dump(mode="json"))
    if request.output_format == "png":
        return write_png(pixels, {METADATA_KEY: comment, INFOTEXT_KEY: infotext(request), **texts})
    lines = [comment, _compact(dict(texts))] if texts else [comment]
    output = io.BytesIO()
    extra = {"subsampling": 0} if request.output_format == "jpeg" else {}
    exif, quality = _exif(infotext(request), lines), request.effective_output_quality()
    Image.fromarray(pixels).save(output, request.output_format, quality=quality, exif=exif, **extra)
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
        exif = picture.getexif()
    found = {}
    if (comment := exif.get_ifd(EXIF_IFD).get(USER_COMMENT)) is not None:
        found[INFOTEXT_KEY] = comment[len(UNICODE) :].decode("utf-16-be")
    if (description := exif.get(IMAGE_DESCRIPTION)) is not None:
        request, _, texts = description.encode("latin-1").decode().partition("\n")
        found |= {METADATA_KEY: request, **(json.loads(texts) if texts else {})}
    return found


def _compact(value: object) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _exif(comment: str, lines: Sequence[str]) -> Image.Exif:
    """The comment as AUTOMATIC1111 writes it, in UTF-16; the lines in UTF-8."""
    exif = Image.Exif()
    said = UNICODE + comment.encode("utf-16-be")
    for count in range(len(lines), 0, -1):
        description = "\n".join(lines[:count]).encode()
        if len(said) + len(description) <= LARGEST_EXIF:
            exif[IMAGE_DESCRIPTION] = description
            break
    exif.get_ifd(EXIF_IFD)[USER_COMMENT] = said
    return exif
