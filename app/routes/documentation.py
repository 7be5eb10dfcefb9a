"""The API's documentation, for programs and for people: Swagger UI from our own disk, so that it works offline."""

from importlib.resources import files
from typing import Literal

from fastapi import APIRouter
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.dependencies import LinksOf

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
