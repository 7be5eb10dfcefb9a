"""What a file that was judged is: its bytes, and what is known of them."""

from typing import NamedTuple

from contract.file_ids import FileKind


class FileContent(NamedTuple):
    """Checked bytes, and what they are; None for what is no picture.

    `darkest` and `brightest` are of its tones as a mask, where what is transparent is black.
    Units: width and height in pixels, tones of 255.
    """

    kind: FileKind
    media_type: str
    content: bytes
    width: int | None = None
    height: int | None = None
    darkest: int | None = None
    brightest: int | None = None
