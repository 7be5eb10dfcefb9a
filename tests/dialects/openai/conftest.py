"""What the tests of this dialect share: the SDK at the service, and an application in this process."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.app import conftest as application
from tests.app.conftest import Player
from tests.dialects.openai.desk import Desk
from tests.dialects.openai.sdk import SDK, using
from tests.system.launched import Launched

api = application.api
artifacts_folder = application.artifacts_folder
client = application.client
connection = application.connection
job_store = application.job_store
player = application.player
settings = application.settings
shared_api = application.shared_api
start = application.start


@pytest.fixture
def desk(client: httpx.AsyncClient, player: Player) -> Desk:
    return Desk(client, player)


@pytest.fixture(params=["sync", "async"])
async def sdk(request: pytest.FixtureRequest, service: Launched) -> AsyncIterator[SDK]:
    """Each flavour of the SDK, as a client of the service."""
    async with using(service.address, request.param) as sdk:
        yield sdk
