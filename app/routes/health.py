"""Whether this process answers, and whether the service works."""

from fastapi import APIRouter

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.errors import NoWorker
from app.responses import Health, Readiness
from contract.errors import ArtifactStoreUnavailable, StoreUnavailable

router = APIRouter(tags=["operations"])


@router.get("/healthz", response_description="The process answers.")
async def read_health() -> Health:
    """Whether this process answers; it asks nobody else."""
    return Health()


@router.get(
    "/readyz",
    response_description="Jobs are worked on.",
    responses=documented(StoreUnavailable, ArtifactStoreUnavailable, NoWorker),
)
async def read_readiness(resources: ResourcesOf) -> Readiness:
    """Whether the job store can be reached, a worker is alive and not in quarantine, and what it makes is stored."""
    workers = await resources.liveness.alive()
    quarantined = [worker.worker for worker in workers if worker.in_quarantine]
    if not workers:
        raise NoWorker("No worker is alive; jobs are accepted, and wait.")
    if len(quarantined) == len(workers):
        raise NoWorker(f"In quarantine, as their devices keep failing: {', '.join(quarantined)}. Jobs wait.")
    if not any(worker.can_store for worker in workers):
        raise ArtifactStoreUnavailable("No worker can store what it makes; jobs are accepted, and wait.")
    return Readiness(num_workers=len(workers) - len(quarantined), num_quarantined=len(quarantined))
