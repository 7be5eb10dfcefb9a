"""The files that the walk inside points to: those that do what a station tells of, to read where they are installed."""

from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import FileResponse

from app.errors import UnknownPath

router = APIRouter()

NOTHING = "default-src 'none'"

ROOT = FilePath(__file__).parents[2]

SOURCES = (
    "worker/text.py",
    "worker/emphasis.py",
    "worker/sigmas.py",
    "worker/pipelines/stable_diffusion.py",
    "worker/guidance.py",
    "worker/rules.py",
    "worker/autoencoders.py",
)
"""One a station, in their order."""


@router.get("/inside/source/{name:path}", include_in_schema=False)
async def read_source(name: Annotated[str, Path()]) -> FileResponse:
    """One of them as it is. Raises: UnknownPath, also where the API is installed without a worker."""
    if name not in SOURCES:
        raise UnknownPath("Nothing is served here.")
    path = ROOT / name
    if not path.is_file():
        raise UnknownPath(f"This API is installed without a worker; {name} is in the source tree.")
    return FileResponse(path, media_type="text/plain; charset=utf-8", headers={"Content-Security-Policy": NOTHING})
