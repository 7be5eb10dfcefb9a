"""The pages for people: the studio at `/`, where programs are told the way; teaching; the walk; and what they load."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import Response

from app.dependencies import LinksOf, ResourcesOf
from app.errors import UnknownPath
from app.links import BASE

router = APIRouter()

VARY = {"Vary": {"description": "It depends on `Accept`.", "schema": {"type": "string"}, "example": "Accept"}}


class Welcome(BaseModel):
    """Where to go from here."""

    name: str = Field(description="What this is.", examples=["Safelight"])
    inside: str = Field(description="A walk through a model, for browsers.", examples=[f"{BASE}/inside"])
    teach: str = Field(description="Teaching a model one's own pictures, for browsers.", examples=[f"{BASE}/teach"])
    docs: str = Field(description="The API's documentation, for people.", examples=[f"{BASE}/docs"])
    openapi: str = Field(description="The same, for programs.", examples=[f"{BASE}/openapi.json"])
    generations: str = Field(description="POST a prompt here.", examples=[f"{BASE}/v1/generations"])
    jobs: str = Field(description="What became of the prompts.", examples=[f"{BASE}/v1/jobs"])
    models: str = Field(description="The models on offer.", examples=[f"{BASE}/v1/models"])


@router.get(
    "/",
    tags=["operations"],
    response_model=Welcome,
    response_description="Where to go from here; for browsers, which ask for `text/html`, the studio.",
    responses={200: {"content": {"text/html": {"schema": {"type": "string"}}}, "headers": VARY}},
)
async def read_welcome(request: Request, response: Response, links: LinksOf, resources: ResourcesOf) -> Any:
    """Find the way."""
    if "text/html" in request.headers.get("accept", ""):
        return resources.web_files["studio.html"].answer(request)
    response.headers["Vary"] = "Accept"
    base = links.base
    return Welcome(
        name="Safelight",
        inside=f"{base}/inside",
        teach=f"{base}/teach",
        docs=f"{base}/docs",
        openapi=f"{base}/openapi.json",
        generations=f"{base}/v1/generations",
        jobs=f"{base}/v1/jobs",
        models=f"{base}/v1/models",
    )


@router.get("/teach", include_in_schema=False)
async def read_teach(request: Request, resources: ResourcesOf) -> Response:
    """Pictures of one's own, and what a model learns from them."""
    return resources.web_files["teach.html"].answer(request)


@router.get("/inside", include_in_schema=False)
async def read_inside(request: Request, resources: ResourcesOf) -> Response:
    """A walk through a model, with a prompt of one's own."""
    return resources.web_files["inside.html"].answer(request)


@router.get("/web/{name:path}", include_in_schema=False)
async def read_web_file(name: Annotated[str, Path()], request: Request, resources: ResourcesOf) -> Response:
    """One of the pages' files. Raises: UnknownPath."""
    file = resources.web_files.get(name)
    if file is None:
        raise UnknownPath("Nothing is served here.")
    return file.answer(request)
