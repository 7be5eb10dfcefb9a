"""The shapes in which files are shown to clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from app.links import BASE, Links
from app.responses import TIME
from contract.file_ids import FileKind
from contract.files import StoredFile

FILE_ID = "file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

EXTENSIONS: dict[FileKind, str] = {"image": "png", "weights": "safetensors"}


def name_of(file: StoredFile) -> str:
    """The name under which a file is saved."""
    return f"{file.id}.{EXTENSIONS[file.kind]}"


class FileUrls(BaseModel):
    """What can be done with a file, and where."""

    get: str = Field(
        description="GET reads it; inputs of predictions may name it so.", examples=[f"{BASE}/v1/files/{FILE_ID}"]
    )


class FileShown(BaseModel):
    """One file that a client has sent, as it is kept; what Replicate's clients read of it says some of that again."""

    id: str = Field(description="The id by which requests name it.", examples=[FILE_ID])
    object: Literal["file"] = Field(default="file", description="What this is.", examples=["file"])
    kind: FileKind = Field(description="What its bytes are.", examples=["image"])
    media_type: str = Field(
        description="How it is encoded: pictures are kept as PNGs, whatever they were.", examples=["image/png"]
    )
    width: int | None = Field(description="Pixels, of the upright picture; null for weights.", examples=[512])
    height: int | None = Field(description="Pixels, of the upright picture; null for weights.", examples=[512])
    size_bytes: int = Field(description="How many bytes are kept.", examples=[401923])
    sha256: str = Field(description="Hex digest of the bytes that are kept.", examples=[SHA256])
    created_at: datetime = Field(description="When it was sent.", examples=[TIME])
    expires_at: datetime = Field(
        description="Up to when requests may name it; jobs that were admitted before still find it.", examples=[TIME]
    )
    name: str = Field(description="A name to save it under.", examples=[f"{FILE_ID}.png"])
    content_type: str = Field(description="The same as `media_type`.", examples=["image/png"])
    size: int = Field(description="The same as `size_bytes`.", examples=[401923])
    etag: str = Field(description="The same as `sha256`.", examples=[SHA256])
    checksums: dict[Literal["sha256"], str] = Field(description="The same as `sha256`.", examples=[{"sha256": SHA256}])
    metadata: dict[str, str] = Field(default_factory=dict, description="Always empty.", examples=[{}])
    urls: FileUrls = Field(
        description="What can be done with it, and where.", examples=[{"get": f"{BASE}/v1/files/{FILE_ID}"}]
    )

    @classmethod
    def of(cls, file: StoredFile, links: Links) -> "FileShown":
        """A stored file."""
        return cls(
            **file.model_dump(),
            name=name_of(file),
            content_type=file.media_type,
            size=file.size_bytes,
            etag=file.sha256,
            checksums={"sha256": file.sha256},
            urls=FileUrls(get=links.file(file.id)),
        )


class FilePage(BaseModel):
    """Files, newest first."""

    data: list[FileShown] = Field(description="The files of this page.", examples=[[]])
    results: list[FileShown] = Field(description="The same again, where Replicate's clients look.", examples=[[]])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one.", examples=["41"]
    )

    @classmethod
    def of(cls, files: Sequence[StoredFile], following: int | None, links: Links) -> "FilePage":
        """One page of the store."""
        shown = [FileShown.of(file, links) for file in files]
        return cls(data=shown, results=shown, next_cursor=None if following is None else str(following))
