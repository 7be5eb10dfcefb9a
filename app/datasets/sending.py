"""How data sets are sent: the fields of the form, and the files of one call, whichever way they come."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from app.datasets.archives import MAX_FILES, entries_of
from app.datasets.captions import Sent
from app.errors import BodyTooLarge, MalformedMultipart, UnsupportedMediaType
from app.file_kinds import blaming
from app.forms import FileField, Form, Received
from app.uploads import received
from contract.errors import (
    ArtifactStoreUnavailable,
    DamagedFile,
    InvalidRequest,
    LimitExceeded,
    StoreUnavailable,
    UnsupportedFile,
)

FILES = {
    "archive": FileField(
        "A zip of what `files` may be, with folders or without. It is refused as a whole where something in it leads "
        "out of it, is a link, or inflates to more than a hundredfold.",
        required=False,
    ),
    "files": FileField(
        "Pictures (PNG, JPEG, WebP); the caption of one as `.txt` of the same name; captions of many as `.jsonl`, each "
        'line `{"file_name": "cat.png", "text": "a tabby cat"}`; and what a picture shall become as `cat.target.png`.',
        required=False,
        most=MAX_FILES,
    ),
}


class DatasetTexts(BaseModel):
    """What is said of a data set beside its files."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(default="", max_length=200, description="What you call it.", examples=["my cat"])


NEW = Form(FILES, DatasetTexts, one_of=True)
MORE = Form(FILES, one_of=True)

REFUSALS = (
    InvalidRequest,
    MalformedMultipart,
    UnsupportedMediaType,
    BodyTooLarge,
    UnsupportedFile,
    DamagedFile,
    LimitExceeded,
    StoreUnavailable,
    ArtifactStoreUnavailable,
)
"""How both may be refused as a whole."""


class Sending(NamedTuple):
    """What came in one call."""

    files: Sequence[Sent]
    form: Received


@asynccontextmanager
async def sent(request: Request, form: Form, max_bytes: int) -> AsyncIterator[Sending]:
    """The files of a call, which can be read as long as this is open. Raises: as in REFUSALS."""
    async with received(request, form, max_bytes) as body:
        files: Sequence[Sent] = body.several.get("files", ())
        if (archive := body.files.get("archive")) is not None:
            with blaming("archive"):
                files = await asyncio.to_thread(entries_of, archive, max_bytes)
        yield Sending(files, body)
