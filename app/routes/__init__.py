"""One file a resource; here is the list of them."""

from fastapi import APIRouter

from app.routes import (
    adapters,
    artifacts,
    classifiers,
    datasets,
    deliveries,
    dense_predictions,
    documentation,
    events,
    files,
    fine_tune_outcomes,
    fine_tunes,
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
    dense_predictions.router,
    jobs.router,
    events.router,
    deliveries.router,
    webhooks.router,
    artifacts.router,
    files.router,
    fine_tunes.router,
    fine_tune_outcomes.router,
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
