"""One file a resource; here is the list of them."""

from fastapi import APIRouter

from app.routes import (
    adapters,
    artifacts,
    classifiers,
    datasets,
    deliveries,
    documentation,
    events,
    files,
    generations,
    health,
    jobs,
    metrics,
    models,
    pages,
    provenance,
    sources,
    webhooks,
)

ROUTERS: tuple[APIRouter, ...] = (
    generations.router,
    jobs.router,
    events.router,
    deliveries.router,
    webhooks.router,
    artifacts.router,
    files.router,
    datasets.router,
    models.router,
    adapters.router,
    classifiers.router,
    provenance.router,
    health.router,
    metrics.router,
    documentation.router,
    pages.router,
    sources.router,
)
