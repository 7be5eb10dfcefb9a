"""The metrics page."""

import asyncio
import time

from fastapi import APIRouter
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from starlette.requests import Request
from starlette.responses import Response

from app.dependencies import ResourcesOf
from app.metrics import (
    Snapshot,
    backlog_metrics,
    job_metrics,
    store_state,
    worker_metrics,
)
from app.resources import Resources
from contract.backlog import read_backlog
from contract.errors import StoreUnavailable

router = APIRouter(tags=["operations"])


@router.get(
    "/metrics",
    response_class=Response,
    response_description="Metrics in the format of Prometheus, or of OpenMetrics where that is asked for.",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def read_metrics(request: Request, resources: ResourcesOf) -> Response:
    """Read the metrics; while the store is down, those that this process knows."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    registry = CollectorRegistry()
    registry.register(Snapshot([*resources.metrics.registry.collect(), *await _store_metrics(resources)]))
    return Response(encode(registry), media_type=content_type)


async def _store_metrics(resources: Resources) -> list[Metric]:
    began = time.monotonic()
    try:
        counts, statistics, pulses, backlog = await asyncio.gather(
            resources.job_store.counts(),
            resources.job_store.statistics(),
            resources.liveness.alive(),
            read_backlog(resources.connection),
        )
    except StoreUnavailable:
        return [*store_state(False, time.monotonic() - began)]
    return [
        *store_state(True, time.monotonic() - began),
        *job_metrics(counts, statistics),
        *backlog_metrics(backlog, (spec.id for spec in resources.catalogue.models)),
        *worker_metrics(pulses),
    ]
