"""The texts that a picture carries beside its pixels, by keyword."""

from io import BytesIO

from PIL import Image

EXIF_IFD, USER_COMMENT = 0x8769, 0x9286
UNICODE = b"UNICODE\0"

EXIF_COMMENT = "Exif\0UserComment"
"""Under which the comment in Exif is told; no other text has a NUL in its keyword."""


def texts_of(content: bytes) -> dict[str, str]:
    """The texts in a picture that was judged before, and the comment in its Exif."""
    with Image.open(BytesIO(content)) as picture:
        texts = {str(keyword): text for keyword, text in picture.info.items() if isinstance(text, str)}
        comment = picture.getexif().get_ifd(EXIF_IFD).get(USER_COMMENT)
    if isinstance(comment, bytes) and comment.startswith(UNICODE):
        texts[EXIF_COMMENT] = comment[len(UNICODE) :].decode("utf-16-be", errors="replace")
    return texts
