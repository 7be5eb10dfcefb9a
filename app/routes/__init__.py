"""One file a resource; here is the list of them."""

from fastapi import APIRouter

from app.routes import (
    adapters,
    artifacts,
    classifiers,
    documentation,
    events,
    files,
    generations,
    health,
    jobs,
    metrics,
    models,
)

ROUTERS: tuple[APIRouter, ...] = (
    generations.router,
    jobs.router,
    events.router,
    artifacts.router,
    files.router,
    models.router,
    adapters.router,
    classifiers.router,
    health.router,
    metrics.router,
    documentation.router,
)
