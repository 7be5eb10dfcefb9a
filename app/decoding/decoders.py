"""The API's end of decoding: processes start when they are needed, and are replaced when they end or take too long."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from app.decoding.frames import LENGTHS, MAX_WORDS_BYTES, Verb, packed
from app.looking import Seen
from app.pictures import Limits
from contract.errors import DamagedFile, LimitExceeded, SafelightError, UnsupportedFile
from contract.file_content import FileContent

SECONDS = 20.0
"""The longest that one file may take; the largest that are allowed take some seconds."""

NUMBER = 2
"""Files that are decoded at once, so that one that takes long is not all that is done."""

BASE_BYTES, BYTES_PER_PIXEL = 256 * 1024 * 1024, 24
"""Memory of a decoder: its program, and copies of the largest picture while it is turned, judged and packed."""

ANSWER_BASE_BYTES, ANSWER_BYTES_PER_PIXEL = 1024 * 1024, 5
"""The most that is heard of a decoder: four bytes a pixel that do not compress, and what a PNG adds to them."""

REFUSALS: Mapping[str, type[SafelightError]] = {
    error.code: error for error in (UnsupportedFile, DamagedFile, LimitExceeded)
}
_TEXTS = TypeAdapter(dict[str, str])
_WORDS = TypeAdapter(dict[str, Any])


class DecoderEnded(Exception):
    """The decoder has ended, or says what it should not."""


class Numbers(BaseModel):
    """What a decoder says of a picture."""

    model_config = ConfigDict(strict=True, extra="forbid")

    width: int = Field(ge=1)
    height: int = Field(ge=1)
    darkest: int = Field(ge=0, le=255)
    brightest: int = Field(ge=0, le=255)


class Decoder:
    """One process. Its environment is empty but for the way to the program, so that it knows no secrets."""

    def __init__(self, limits: Limits, seconds: float, memory_bytes: int) -> None:
        self._max_answer_bytes = ANSWER_BASE_BYTES + ANSWER_BYTES_PER_PIXEL * limits.max_image_pixels
        self._ours, theirs = socket.socketpair()
        told = json.dumps({"limits": limits._asdict(), "seconds": seconds, "memory_bytes": memory_bytes})
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", "app.decoding", told],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env={"PYTHONPATH": os.pathsep.join(sys.path)},
            )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, verb: Verb, content: bytes, **words: object) -> tuple[dict[str, Any], bytes]:
        """The decoder's words and bytes on a file. Raises: DecoderEnded."""
        try:
            reader, writer = await self._open()
            writer.write(packed({"verb": verb, **words}, content))
            await writer.drain()
            num_words, num_bytes = LENGTHS.unpack(await reader.readexactly(LENGTHS.size))
            if num_words > MAX_WORDS_BYTES or num_bytes > self._max_answer_bytes:
                raise DecoderEnded("the answer is too long")
            said = _WORDS.validate_json(await reader.readexactly(num_words))
            return said, await reader.readexactly(num_bytes)
        except (OSError, EOFError, ValueError) as error:
            raise DecoderEnded("there is no answer") from error

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(sock=self._ours)
        return self._streams

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        if self._streams is None:
            self._ours.close()
        else:
            self._streams[1].close()


class Decoders:
    """Promise: this process decodes no picture, and what goes wrong with one is an error of that one.

    All methods raise UnsupportedFile, DamagedFile, LimitExceeded.
    """

    def __init__(self, limits: Limits, *, seconds: float = SECONDS, memory_bytes: int | None = None) -> None:
        self._limits = limits
        self._seconds = seconds
        pixels = BYTES_PER_PIXEL * limits.max_image_pixels
        self._memory_bytes = memory_bytes or BASE_BYTES + pixels + 4 * limits.max_image_bytes
        self._idle: list[Decoder] = []

    async def picture(self, content: bytes) -> FileContent:
        """A picture as it is kept."""
        return await self._picture("picture", content)

    async def lesson(self, content: bytes) -> FileContent:
        """A picture as models learn from it."""
        return await self._picture("lesson", content)

    async def texts(self, content: bytes) -> dict[str, str]:
        """The texts in a picture that was judged before."""
        _, texts = await self._ask("texts", content)
        try:
            return _TEXTS.validate_json(texts)
        except ValidationError as error:
            raise DamagedFile("The picture cannot be read.") from error

    async def look(self, content: bytes, anchors: str | None) -> Seen:
        """What verifying needs of a picture; `anchors` are certificates of manifests."""
        _, seen = await self._ask("look", content, anchors=anchors)
        try:
            return Seen.model_validate_json(seen)
        except ValidationError as error:
            raise DamagedFile("The picture cannot be read.") from error

    def close(self) -> None:
        """Ends the processes that wait for work."""
        while self._idle:
            self._idle.pop().end()

    async def _picture(self, verb: Verb, content: bytes) -> FileContent:
        words, kept = await self._ask(verb, content)
        try:
            return FileContent("image", "image/png", kept, **Numbers.model_validate(words).model_dump())
        except ValidationError as error:
            raise DamagedFile("The picture cannot be decoded.") from error

    async def _ask(self, verb: Verb, content: bytes, **asked: object) -> tuple[dict[str, Any], bytes]:
        decoder = self._free()
        try:
            async with asyncio.timeout(self._seconds):
                words, answer = await decoder.ask(verb, content, **asked)
        except TimeoutError as error:
            decoder.end()
            raise LimitExceeded(f"The picture takes longer than {self._seconds:g} seconds to decode.") from error
        except DecoderEnded as error:
            decoder.end()
            raise DamagedFile("The picture ends the process that decodes it.") from error
        except BaseException:  # The call that wanted it is over; what the decoder says of it nobody would hear.
            decoder.end()
            raise
        self._idle.append(decoder)
        if "code" in words:
            raise REFUSALS.get(str(words["code"]), DamagedFile)(str(words.get("message", "")))
        return words, answer

    def _free(self) -> Decoder:
        """A decoder that waits for work; one that has ended meanwhile is replaced."""
        while self._idle:
            decoder = self._idle.pop()
            if decoder.process.poll() is None:
                return decoder
            decoder.end()
        return Decoder(self._limits, self._seconds, self._memory_bytes)
