"""Whether this process answers, and whether the service works."""

from fastapi import APIRouter

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.errors import NoWorker
from app.responses import Health, Readiness
from contract.errors import StoreUnavailable

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_description="The process answers.")
async def read_health() -> Health:
    """Whether this process answers; it asks nobody else."""
    return Health()


@router.get("/readyz", response_description="Jobs are worked on.", responses=documented(StoreUnavailable, NoWorker))
async def read_readiness(resources: ResourcesOf) -> Readiness:
    """Whether the store can be reached and a worker is alive."""
    workers = await resources.liveness.alive()
    if not workers:
        raise NoWorker("No worker is alive; jobs are accepted, and wait.")
    return Readiness(num_workers=len(workers))
