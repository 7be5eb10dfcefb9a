"""The application: its routes, its one way of answering errors, and what it opens when it starts."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from app import dialects, routes
from app.auth import caller
from app.envelope import Envelope
from app.error_responses import answer_error, answer_validation_error, http_error_handler
from app.metrics import RequestMetrics
from app.openapi import UNEXPECTED, describe
from app.operators_files import OperatorsFiles
from app.resources import open_resources
from app.settings import AppSettings
from app.webhooks.bodies import native
from app.webhooks.courier import carrying
from contract.errors import SafelightError
from contract.tracing import UNTRACED, Tracer
from contract.versions import SAFELIGHT

ROUTERS = (*dialects.ROUTERS, *routes.ROUTERS)
"""In the order in which they are asked: `/v1/models/{model_id}` of our own takes every path below `/v1/models`."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]


def create_app(settings: AppSettings, closing: asyncio.Event | None = None, tracer: Tracer = UNTRACED) -> FastAPI:
    """The application with these settings. Setting `closing` ends what waits; the application does so too at its end.

    Raises: CatalogueInvalid, SettingError.
    """
    metrics = RequestMetrics()
    files = OperatorsFiles.read(settings)
    app = FastAPI(
        title="Safelight",
        version=SAFELIGHT,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses=UNEXPECTED,
        dependencies=[Depends(caller)],
        lifespan=_lifespan(settings, files, metrics, closing or asyncio.Event(), tracer),
    )
    for router in ROUTERS:
        app.include_router(router)
    app.webhooks.include_router(routes.webhooks.receivers)
    app.openapi = partial(describe, app)  # type: ignore[method-assign]
    app.add_exception_handler(SafelightError, answer_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
    app.add_exception_handler(HTTPException, http_error_handler(_allowed_methods))
    app.add_middleware(Envelope, metrics=metrics, tracer=tracer)
    return app


def _lifespan(
    settings: AppSettings, files: OperatorsFiles, metrics: RequestMetrics, closing: asyncio.Event, tracer: Tracer
) -> Lifespan:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with (
            open_resources(settings, files, metrics, closing, tracer) as resources,
            carrying(resources, {"native": native, **dialects.webhook_bodies(files.catalogue)}),
        ):
            yield {"resources": resources}

    return lifespan


def _allowed_methods(path: str) -> set[str]:
    """All methods that some route takes under a path. One for whatever lies below a path is the last resort."""
    routes: list[Any] = [route for router in ROUTERS for route in router.routes]
    matching = [route for route in routes if route.path_regex.fullmatch(path)]
    own = [route for route in matching if not route.path.endswith(":path}")]
    return {method for route in own or matching for method in route.methods}
