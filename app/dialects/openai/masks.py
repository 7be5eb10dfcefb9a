"""From OpenAI's masks, which are transparent where a picture is edited, to ours, which are white there."""

from io import BytesIO

from PIL import Image

from app.pictures import kept
from contract.errors import InvalidMask
from contract.file_content import FileContent

WHITE_WHERE_TRANSPARENT = [255] + [0] * 255
"""Only what is fully transparent is edited."""


def mask_from(transparent: FileContent) -> FileContent:
    """The mask in a picture that was sent as one. Raises: InvalidMask."""
    mask = _transparent(transparent)
    if mask is None:
        raise InvalidMask("mask has no transparency; image is edited where mask is fully transparent.")
    darkest, brightest = mask.getextrema()
    if not brightest:
        raise InvalidMask("mask is nowhere fully transparent, so nothing would change.")
    if darkest:
        raise InvalidMask("mask is transparent everywhere; leave it out to change the whole picture.")
    return kept(mask)


def mask_within(image: FileContent) -> FileContent | None:
    """The mask that a picture's own transparency is; None where it has none. Raises: InvalidMask."""
    mask = _transparent(image)
    if mask is None or not mask.getextrema()[1]:
        return None
    if mask.getextrema()[0]:
        raise InvalidMask("image is transparent everywhere.")
    return kept(mask)


def _transparent(picture: FileContent) -> Image.Image | None:
    with Image.open(BytesIO(picture.content), formats=["PNG"]) as opened:
        return opened.getchannel("A").point(WHITE_WHERE_TRANSPARENT) if opened.mode == "RGBA" else None
