"""Pictures that requests of this dialect bring along: in base64, with or without a `data:` in front of it."""

import asyncio
import base64
from collections.abc import Callable
from functools import partial
from io import BytesIO

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.admission import decoded
from app.resources import Resources
from contract.errors import InvalidRequest
from contract.files import FileContent


def as_data_uri(text: str, field: str) -> str:
    """The picture as our requests bring it along; its bytes say what it is. Raises: InvalidRequest."""
    if text[:8].lower().startswith(("http:", "https:")):
        raise InvalidRequest(f"{field}: URLs are not fetched; send the picture in base64.", field=field)
    content = text.partition(",")[2] if text.startswith("data:") else text
    return _data_uri("".join(content.split()))


async def opened(text: str, field: str, resources: Resources) -> Image.Image:
    """The picture, upright, grey or RGB, with its alpha if it has any.

    Raises: InvalidRequest, UnsupportedFile, DamagedFile, LimitExceeded, each naming the field.
    """
    uri = as_data_uri(text, field)
    checked = await resources.file_checker.check(partial(decoded, uri), field=field)
    return await asyncio.to_thread(_loaded, checked)


async def painted(paint: Callable[[], Image.Image]) -> str:
    """What `paint` paints, on another thread, as a `data:` URI."""
    return await asyncio.to_thread(lambda: _data_uri(in_base64(paint())))


def in_base64(picture: Image.Image, **texts: str) -> str:
    """A picture as a PNG in base64, with texts in it."""
    said = PngInfo()
    for keyword, text in texts.items():
        said.add_text(keyword, text)
    output = BytesIO()
    picture.save(output, "PNG", pnginfo=said)
    return base64.b64encode(output.getvalue()).decode()


def _loaded(file: FileContent) -> Image.Image:
    picture = Image.open(BytesIO(file.content), formats=("PNG",))
    picture.load()
    return picture


def _data_uri(content: str) -> str:
    return f"data:image/png;base64,{content}"
