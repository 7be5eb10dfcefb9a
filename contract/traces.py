"""Traces: what a run may be asked to record of itself, which models can, up to which size, and where it is kept."""

from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.artifact import headers_of
from contract.errors import InvalidRequest, LimitExceeded, UnsupportedTrace
from contract.request import CompleteRequest

TraceKind = Literal["attention", "latents", "guidance", "text", "autoencoder"]
TRACE_KINDS: tuple[TraceKind, ...] = get_args(TraceKind)

MAX_TRACED_STEPS = 50
MAX_TRACED_PIXELS = 512 * 512
"""Of a run that is recorded, and of its picture."""

MAX_MAPS_BYTES = 8 * 2**20
"""Of attention maps; larger ones are averaged over squares of places until they fit."""

WHY_NOT: dict[str, dict[TraceKind, str]] = {
    "stable_diffusion_3": {
        "attention": "its words and places attend to one another together",
        "text": "three text encoders of different tokens read each prompt",
    },
    "flux": {
        "attention": "its words and places attend to one another together",
        "text": "two text encoders of different tokens read each prompt",
        "guidance": "it takes the guidance scale as an input, and makes one prediction only",
    },
    "diffusers": dict.fromkeys(TRACE_KINDS, "it runs whole, and cannot be looked into"),
}
"""What models of a family cannot record, and why."""


class TraceAsked(BaseModel):
    """What a run is to record of itself."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    attention: bool = Field(
        default=False, description="Where the picture looks at each token, by block and step.", examples=[True]
    )
    latents: bool = Field(
        default=False, description="The noisy latents of each step and the estimate of the clean ones.", examples=[True]
    )
    guidance: bool = Field(
        default=False, description="The two predictions of each step, and how they differ.", examples=[True]
    )
    text: bool = Field(
        default=False, description="The tokens, and what the text encoder made of them.", examples=[True]
    )
    autoencoder: bool = Field(
        default=False, description="The picture encoded and decoded again, and its latents.", examples=[True]
    )

    @model_validator(mode="after")
    def _asks_for_something(self) -> Self:
        if not self.kinds:
            raise ValueError("at least one of its fields must be true")
        return self

    @property
    def kinds(self) -> tuple[TraceKind, ...]:
        """What is asked for."""
        return tuple(kind for kind in TRACE_KINDS if getattr(self, kind))

    @property
    def record(self) -> dict[str, str]:
        """What a job's record says of it."""
        return {"trace_asked": self.model_dump_json()}


def trace_kinds(family: str) -> tuple[TraceKind, ...]:
    """What models of a family can record."""
    return tuple(kind for kind in TRACE_KINDS if kind not in WHY_NOT.get(family, {}))


def check_trace(asked: TraceAsked, request: CompleteRequest, family: str) -> None:
    """Holds what is to be recorded against the run and its model.

    Raises: UnsupportedTrace, InvalidRequest, LimitExceeded, naming the field.
    """
    for kind in asked.kinds:
        if (why := WHY_NOT.get(family, {}).get(kind)) is not None:
            raise UnsupportedTrace(f"{request.model} records no {kind}: {why}.", field=f"trace.{kind}")
    if request.num_images != 1:
        raise InvalidRequest("A run that is recorded makes one picture: num_images must be 1.", field="num_images")
    if request.num_steps > MAX_TRACED_STEPS:
        raise LimitExceeded(
            f"A run that is recorded has at most {MAX_TRACED_STEPS} steps, not {request.num_steps}.",
            field="num_inference_steps",
        )
    if request.height * request.width > MAX_TRACED_PIXELS:
        raise LimitExceeded(
            f"A picture whose run is recorded has at most {MAX_TRACED_PIXELS} pixels, not {request.height} × "
            f"{request.width}.",
            field="height",
        )


FileName = Literal["trace", "attention", "activations", "latents", "guidance", "autoencoder"]
"""`trace` is the document; the others are what it names."""


class TraceFile(BaseModel):
    """One file of a published trace. `storage_key` is where its bytes are; clients never see it."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: FileName
    media_type: str
    size_bytes: int
    sha256: str
    storage_key: str

    @property
    def file_name(self) -> str:
        """A name to save it under."""
        return f"{self.id}.{ENDINGS[self.media_type]}"

    @property
    def headers(self) -> dict[str, str]:
        """What is said of the bytes wherever they are read."""
        return headers_of(self.media_type, self.file_name)


ENDINGS = {"application/json": "json", "application/octet-stream": "bin", "image/png": "png"}


class Trace(BaseModel):
    """A published trace: all of its files, the document first."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    files: tuple[TraceFile, ...]


def trace_file_id(job_id: str, name: FileName) -> str:
    """The public id of a file of a job's trace; as unguessable as the job's own."""
    return f"{job_id.replace('job_', 'art_', 1)}_{name}"
