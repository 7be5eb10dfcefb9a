"""The store is killed, frozen, slow, or out of reach in the middle of jobs: they end once, and nobody dies of it."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from contract.scripts import ScriptName
from tests.faults.outages import everybody_stays, is_back, refuses
from tests.faults.site import Site, open_site
from tests.faults.store_proxy import StoreProxy
from tests.system.installation import Installation
from tests.waiting import wait_until_async

pytestmark = pytest.mark.asyncio(loop_scope="module")

LONG = {"num_inference_steps": 3000}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StoreProxy]:
    """What stands between the service and its store."""
    async with StoreProxy("unix://") as proxy:
        yield proxy


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(proxy: StoreProxy, tiny_catalogue: Path) -> AsyncIterator[Site]:
    """A site that reaches its store through the proxy."""
    async with open_site(tiny_catalogue, SAFELIGHT_REDIS_URL=proxy.address, prepare=lambda i: proxy.reach(f"unix://{i.socket}")) as site:
        yield site
