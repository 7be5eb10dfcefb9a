"""The shape in which what a run has recorded of itself is shown to clients."""

from typing import Literal

from pydantic import BaseModel, Field

from app.links import BASE, Links
from contract.receipts import SHA256
from contract.traces import FileName, Trace, TraceFile


class TraceFileShown(BaseModel):
    """One file that the document of a trace names."""

    url: str = Field(
        description="Where the bytes are; signed like those of pictures.",
        examples=[f"{BASE}/v1/artifacts/art_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6_latents"],
    )
    media_type: str = Field(description="What the bytes are.", examples=["image/png"])
    size_bytes: int = Field(description="How many bytes it has.", examples=[18423])
    sha256: str = Field(description="Hex digest of the bytes.", examples=[SHA256])

    @classmethod
    def of(cls, file: TraceFile, links: Links) -> "TraceFileShown":
        """A published file, without what is the house's own."""
        return cls(
            url=links.artifact(file.id), media_type=file.media_type, size_bytes=file.size_bytes, sha256=file.sha256
        )


class TraceShown(BaseModel):
    """What a run has recorded of itself."""

    version: Literal[1] = Field(description="The form of the document.", examples=[1])
    url: str = Field(
        description="Where the document is, a `TraceDocument`; signed like the addresses of pictures.",
        examples=[f"{BASE}/v1/artifacts/art_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6_trace"],
    )
    files: dict[FileName, TraceFileShown] = Field(
        description="All files by their names; `trace` is the document itself.", examples=[{}]
    )

    @classmethod
    def of(cls, trace: Trace, links: Links) -> "TraceShown":
        """A published trace."""
        files = {file.name: TraceFileShown.of(file, links) for file in trace.files}
        return cls(version=trace.version, url=files["trace"].url, files=files)
