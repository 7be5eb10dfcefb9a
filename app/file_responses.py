"""The shapes in which files are shown to clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.responses import TIME
from contract.file_ids import FileKind
from contract.files import StoredFile

FILE_ID = "file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"


class FileShown(BaseModel):
    """One file that a client has sent, as it is kept."""

    id: str = Field(description="The id by which requests name it.", examples=[FILE_ID])
    object: Literal["file"] = Field(default="file", description="What this is.", examples=["file"])
    kind: FileKind = Field(description="What its bytes are.", examples=["image"])
    media_type: str = Field(
        description="How it is encoded: pictures are kept as PNGs, whatever they were.", examples=["image/png"]
    )
    width: int | None = Field(description="Pixels, of the upright picture; null for weights.", examples=[512])
    height: int | None = Field(description="Pixels, of the upright picture; null for weights.", examples=[512])
    size_bytes: int = Field(description="How many bytes are kept.", examples=[401923])
    sha256: str = Field(
        description="Hex digest of the bytes that are kept.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    created_at: datetime = Field(description="When it was sent.", examples=[TIME])
    expires_at: datetime = Field(
        description="Up to when requests may name it; jobs that were admitted before still find it.", examples=[TIME]
    )

    @classmethod
    def of(cls, file: StoredFile) -> "FileShown":
        """A stored file."""
        return cls.model_validate(file.model_dump())


class FilePage(BaseModel):
    """Files, newest first."""

    data: list[FileShown] = Field(description="The files of this page.", examples=[[]])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one.", examples=["41"]
    )

    @classmethod
    def of(cls, files: Sequence[StoredFile], following: int | None) -> "FilePage":
        """One page of the store."""
        return cls(
            data=[FileShown.of(file) for file in files], next_cursor=None if following is None else str(following)
        )
