"""What this process knows of itself and its machine, and what it has nothing for."""

import os
from pathlib import Path
from typing import Any, NoReturn

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request

from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.sent_pictures import EXAMPLE
from app.errors import MalformedJSON, NotOffered, UnsupportedMediaType
from contract.errors import InvalidRequest

router = APIRouter(prefix="/sdapi/v1", tags=["automatic1111"], route_class=Automatic1111Route)

STATM = Path("/proc/self/statm")


class Memory(BaseModel):
    """Memory, in bytes."""

    ram: dict[str, Any] = Field(
        description="The machine's: `total`, what this process has (`used`), and the rest (`free`); an `error` where "
        "that cannot be known.",
        examples=[{"free": 8000000000, "used": 90000000, "total": 8090000000}],
    )
    cuda: dict[str, Any] = Field(
        description="An `error`: devices belong to the workers, of which `/metrics` and `/v1/models` speak.",
        examples=[{"error": "devices belong to the workers"}],
    )


class Flags(BaseModel):
    """How this process was started."""

    api: bool = Field(default=True, description="Always: this is the API.", examples=[True])
    nowebui: bool = Field(default=True, description="Always: AUTOMATIC1111's own pages are not here.", examples=[True])
    api_server_stop: bool = Field(default=False, description="Never: no client stops it.", examples=[False])
    subpath: str = Field(description="The path under which a proxy serves it.", examples=[""])


class Interrogation(BaseModel):
    """A picture to be put into words."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(default="", description="The picture.", examples=[EXAMPLE])
    model: str = Field(default="clip", description="The model that is to do it.", examples=["clip"])


@router.get("/memory", response_description="Memory.", responses=Automatic1111Route.documented())
async def read_memory() -> Memory:
    """Read how much memory there is."""
    return Memory(ram=_ram(), cuda={"error": "devices belong to the workers"})


@router.get("/cmd-flags", response_description="Flags.", responses=Automatic1111Route.documented())
async def read_flags(request: Request) -> Flags:
    """Read how this process was started, as far as it matters here."""
    return Flags(subpath=request.scope.get("root_path", ""))


@router.post(
    "/interrogate",
    response_description="Never.",
    responses=Automatic1111Route.documented(NotOffered, InvalidRequest, MalformedJSON, UnsupportedMediaType),
)
async def interrogate(asked: Interrogation) -> dict[str, Any]:
    """Put a picture into words: no model here does that, so the answer is an error."""
    raise NotOffered("No model here puts pictures into words.")


@router.post("/unload-checkpoint", response_description="Never.", responses=Automatic1111Route.documented(NotOffered))
async def unload_checkpoint() -> dict[str, Any]:
    """Remove a model from memory: workers do so by themselves, so the answer is an error."""
    _refuse()


@router.post("/reload-checkpoint", response_description="Never.", responses=Automatic1111Route.documented(NotOffered))
async def reload_checkpoint() -> dict[str, Any]:
    """Load a model into memory: workers do so by themselves, so the answer is an error."""
    _refuse()


def _refuse() -> NoReturn:
    raise NotOffered("Workers load and remove models as they are needed; nobody can tell them to.")


def _ram() -> dict[str, Any]:
    """The machine's memory, and what of it this process has."""
    try:
        page_bytes = os.sysconf("SC_PAGE_SIZE")
        total = os.sysconf("SC_PHYS_PAGES") * page_bytes
        used = int(STATM.read_text().split()[1]) * page_bytes
    except (OSError, ValueError, AttributeError) as error:
        return {"error": f"{type(error).__name__}: this system does not say"}
    return {"free": total - used, "used": used, "total": total}
