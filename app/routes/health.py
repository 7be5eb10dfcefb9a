"""Whether this process answers, and whether the service works."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.errors import NoWorker
from contract.errors import ArtifactStoreUnavailable, StoreUnavailable

router = APIRouter(tags=["operations"])


class Health(BaseModel):
    """That the process answers."""

    status: Literal["ok"] = Field(default="ok", description="Always this.", examples=["ok"])


class Readiness(BaseModel):
    """That jobs are accepted and worked on."""

    status: Literal["ready"] = Field(default="ready", description="Always this.", examples=["ready"])
    num_workers: int = Field(description="How many workers take jobs.", examples=[1])
    num_quarantined: int = Field(
        description="How many workers take none, as their devices keep failing; their logs say how.", examples=[0]
    )


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
