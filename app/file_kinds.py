"""Which kinds of files are taken: each is recognised by its bytes, and judged where its kind is."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from app.decoding.decoders import NUMBER, Decoders
from app.looking import Seen
from app.picture_headers import is_picture
from app.pictures import Limits
from app.settings import AppSettings
from app.weights import check_weights, is_weights
from contract.errors import SafelightError, UnsupportedFile
from contract.file_content import FileContent

T = TypeVar("T")


class FileChecker:
    """Judges files, few at a time: pictures in processes of their own, weights on another thread."""

    def __init__(self, settings: AppSettings) -> None:
        self._settings = settings
        self._decoders = Decoders(Limits(settings.max_image_bytes, settings.max_image_side, settings.max_image_pixels))
        self._turns = asyncio.Semaphore(NUMBER)
        self._own_turn = asyncio.Semaphore(1)

    @property
    def max_image_bytes(self) -> int:
        """What a picture may have, so that nobody need read more to know."""
        return self._settings.max_image_bytes

    async def check(self, read: Callable[[], bytes], *, field: str) -> FileContent:
        """What `read` reads, in the form in which it is kept; `read` is called on another thread.

        Raises: UnsupportedFile, DamagedFile, LimitExceeded, each naming the field.
        """
        async with self._turns:
            with blaming(field):
                return await self._checked(await asyncio.to_thread(read))

    async def lesson(self, read: Callable[[], bytes], *, field: str) -> FileContent:
        """A picture as models learn from it. Raises: as `check`, and what `read` does."""
        async with self._turns:
            with blaming(field):
                content = await asyncio.to_thread(read)
                _check_is_picture(content)
                return await self._decoders.lesson(content)

    async def texts(self, content: bytes, *, field: str) -> dict[str, str]:
        """The texts in a picture that was judged before. Raises: as `check`."""
        async with self._turns:
            with blaming(field):
                return await self._decoders.texts(content)

    async def look(self, content: bytes, anchors: str | None, *, field: str) -> Seen:
        """What verifying needs of a picture. Raises: as `check`."""
        async with self._turns:
            with blaming(field):
                _check_is_picture(content)
                return await self._decoders.look(content, anchors)

    async def work(self, work: Callable[[], T], *, field: str) -> T:
        """What else is to be made of files that were judged, one at a time, on another thread. Raises: what the work
        does, naming the field.
        """
        async with self._own_turn:
            with blaming(field):
                return await asyncio.to_thread(work)

    def close(self) -> None:
        """Ends the processes."""
        self._decoders.close()

    async def _checked(self, content: bytes) -> FileContent:
        if is_picture(content):
            return await self._decoders.picture(content)
        if is_weights(content):
            return await asyncio.to_thread(check_weights, content, self._settings)
        raise UnsupportedFile("Files are pictures (PNG, JPEG, WebP) or weights (safetensors), and this is neither.")


def _check_is_picture(content: bytes) -> None:
    if not is_picture(content):
        raise UnsupportedFile("Pictures are PNG, JPEG or WebP, and this is none of them.")


@contextmanager
def blaming(field: str) -> Iterator[None]:
    """This names the field in errors that name none."""
    try:
        yield
    except SafelightError as error:
        error.field = error.field or field
        raise
