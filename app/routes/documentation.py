"""The first page, and the API's documentation for people: Swagger UI from our own disk, so that it works offline."""

from importlib.resources import files
from typing import Literal

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.dependencies import LinksOf
from app.responses import BASE

router = APIRouter()

Asset = Literal["swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"]

MEDIA_TYPES: dict[Asset, str] = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}

ONLY_OURS = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'; base-uri 'none'; "
    "script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
)


class Welcome(BaseModel):
    """Where to go from here."""

    name: str = Field(description="What this is.", examples=["Safelight"])
    docs: str = Field(description="The API's documentation, for people.", examples=[f"{BASE}/docs"])
    openapi: str = Field(description="The same, for programs.", examples=[f"{BASE}/openapi.json"])
    generations: str = Field(description="POST a prompt here.", examples=[f"{BASE}/v1/generations"])
    jobs: str = Field(description="What became of the prompts.", examples=[f"{BASE}/v1/jobs"])
    models: str = Field(description="The models on offer.", examples=[f"{BASE}/v1/models"])


@router.get("/", tags=["operations"], response_description="Where to go from here.")
async def read_welcome(links: LinksOf) -> Welcome:
    """Find the way."""
    base = links.base
    return Welcome(
        name="Safelight",
        docs=f"{base}/docs",
        openapi=f"{base}/openapi.json",
        generations=f"{base}/v1/generations",
        jobs=f"{base}/v1/jobs",
        models=f"{base}/v1/models",
    )


@router.get("/openapi.json", include_in_schema=False)
async def read_openapi(request: Request, links: LinksOf) -> Response:
    """The same for programs, with the address at which this client reached it."""
    return JSONResponse(request.app.openapi() | {"servers": [{"url": links.base}]})


@router.get("/docs", include_in_schema=False)
async def read_documentation(request: Request) -> Response:
    """Swagger UI; its page may load nothing from elsewhere."""
    root = request.scope.get("root_path", "").rstrip("/")
    page = get_swagger_ui_html(
        openapi_url=f"{root}/openapi.json",
        title="Safelight",
        swagger_js_url=f"{root}/docs/swagger-ui-bundle.js",
        swagger_css_url=f"{root}/docs/swagger-ui.css",
        swagger_favicon_url=f"{root}/docs/favicon-32x32.png",
    )
    page.headers["Content-Security-Policy"] = ONLY_OURS
    return page


@router.get("/docs/{asset}", include_in_schema=False)
def read_asset(asset: Asset) -> Response:
    """One of Swagger UI's files."""
    content = files("fastapi_swagger").joinpath("resources", asset).read_bytes()
    return Response(content, headers={"Cache-Control": "max-age=3600"}, media_type=MEDIA_TYPES[asset])
