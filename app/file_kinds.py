"""Which kinds of files are taken: each is recognised by its bytes, and has one function that judges it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.picture_headers import is_picture
from app.pictures import check_picture
from app.settings import AppSettings
from app.weights import check_weights, is_weights
from contract.errors import SafelightError, UnsupportedFile
from contract.file_ids import FileKind
from contract.files import FileContent

T = TypeVar("T")
Checker = Callable[[bytes, AppSettings], FileContent]

RECOGNISERS: dict[FileKind, Callable[[bytes], bool]] = {"image": is_picture, "weights": is_weights}
CHECKERS: dict[FileKind, Checker] = {"image": check_picture, "weights": check_weights}


class FileChecker:
    """Judges files on another thread, one at a time, so that not more than one picture is decoded in a process."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._turn = asyncio.Semaphore(1)

    async def check(self, read: Callable[[], bytes], *, field: str) -> FileContent:
        """What `read` reads, in the form in which it is kept; `read` is called on that thread.

        Raises: UnsupportedFile, DamagedFile, LimitExceeded, each naming the field.
        """
        return await self.work(lambda: _checked(read(), self._settings), field=field)

    async def work(self, work: Callable[[], T], *, field: str) -> T:
        """What else is to be made of a file, in the same turns. Raises: what the work does, naming the field."""
        async with self._turn:
            with blaming(field):
                return await asyncio.to_thread(work)


def _checked(content: bytes, settings: AppSettings) -> FileContent:
    for kind, recognises in RECOGNISERS.items():
        if recognises(content):
            return CHECKERS[kind](content, settings)
    raise UnsupportedFile("Files are pictures (PNG, JPEG, WebP) or weights (safetensors), and this is neither.")


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """This names the field in errors that name none."""
    try:
        yield
    except SafelightError as error:
        error.field = error.field or field
        raise
