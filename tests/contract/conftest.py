"""The contract's parts over a private store."""

from collections.abc import AsyncIterator

import pytest

from contract.job_store import JobStore
from contract.leases import Leases
from contract.liveness import Liveness
from contract.store_connection import StoreConnection


@pytest.fixture
async def connection(store_url: str) -> AsyncIterator[StoreConnection]:
    connection = StoreConnection(store_url)
    yield connection
    await connection.close()


@pytest.fixture
def job_store(connection: StoreConnection) -> JobStore:
    return JobStore(connection, retention_seconds=3600)


@pytest.fixture
def leases(connection: StoreConnection) -> Leases:
    return Leases(connection, lease_seconds=15, max_attempts=3, retention_seconds=3600)


@pytest.fixture
def stale(connection: StoreConnection) -> Leases:
    """Leases that end at once."""
    return Leases(connection, lease_seconds=0.001, max_attempts=3, retention_seconds=3600)


@pytest.fixture
def liveness(connection: StoreConnection) -> Liveness:
    return Liveness(connection, lease_seconds=15)
