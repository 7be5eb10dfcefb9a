"""Pictures that requests of this dialect bring along: in base64, with or without a `data:` in front of it."""

import base64
import binascii
from collections.abc import Callable
from functools import partial
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.resources import Resources
from contract.errors import InvalidRequest
from contract.file_content import FileContent

EXAMPLE = "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADElEQVR42mNgoA4AAABIAAEQRe/SAAAAAElFTkSuQmCC"
"""A small black picture, for documentation."""


def decoded(text: str, field: str) -> bytes:
    """The bytes of a picture. Raises: InvalidRequest."""
    if text[:8].lower().startswith(("http:", "https:")):
        raise InvalidRequest(f"{field}: URLs are not fetched; send the picture in base64.", field=field)
    content = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(f"{field} is not a picture in base64.", field=field) from error


async def sent(text: str, field: str, resources: Resources) -> FileContent:
    """The picture as it is kept: upright, grey or RGB, with its alpha if it has any.

    Raises: InvalidRequest, UnsupportedFile, DamagedFile, LimitExceeded, each naming the field.
    """
    return await resources.file_checker.check(partial(decoded, text, field), field=field)


async def painted(paint: Callable[[], Image.Image], field: str, resources: Resources) -> FileContent:
    """What `paint` paints, as it is kept. Raises: LimitExceeded."""
    return await resources.file_checker.check(lambda: as_png(paint()), field=field)


def opened(file: FileContent) -> Image.Image:
    """The pixels of a picture."""
    return Image.open(BytesIO(file.content), formats=("PNG",))


def as_png(picture: Image.Image, **texts: str) -> bytes:
    """A picture as a file, with texts in it."""
    said = PngInfo()
    for keyword, text in texts.items():
        said.add_text(keyword, text)
    output = BytesIO()
    picture.save(output, "PNG", pnginfo=said)
    return output.getvalue()
