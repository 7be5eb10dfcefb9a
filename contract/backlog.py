"""What waits, as operators look at it: jobs by model, and webhooks that have not been told yet."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.store_connection import StoreConnection


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one model that wait, and for how long the first of them has."""

    num_jobs: int
    oldest_seconds: float


@dataclass(frozen=True, slots=True)
class Backlog:
    """What all tenants wait for. `overdue_seconds` is how late the first pending delivery is."""

    models: Mapping[str, Waiting]
    num_deliveries: int
    overdue_seconds: float


async def read_backlog(connection: StoreConnection) -> Backlog:
    """What waits now. Raises: StoreUnavailable."""
    num_deliveries, overdue, *flat = await connection.run("backlog")
    rows = zip(flat[::3], flat[1::3], flat[2::3], strict=True)
    models = {model: Waiting(int(count), float(oldest)) for model, count, oldest in rows}
    return Backlog(models, int(num_deliveries), float(overdue))
