"""A client with a key, in front of an application in this process that wants one."""

import pytest

from app.settings import AppSettings
from contract.store_connection import StoreConnection
from safelight import AsyncSafelight, refusals
from tests.app.conftest import artifacts_folder, client_of, connection, settings
from tests.app.keys import make_key

__all__ = ["artifacts_folder", "connection", "settings"]


async def test_the_key_opens_what_it_is_for(settings: AppSettings, connection: StoreConnection) -> None:
    key = await make_key(connection, scopes=("read",))
    async with client_of(settings) as http:
        assert await AsyncSafelight("http://test", api_key=str(key), http_client=http).models()
        with pytest.raises(refusals.Forbidden, match="generate"):
            await AsyncSafelight("http://test", api_key=str(key), http_client=http).submit("a fox")
        for wrong in (None, "sk-something"):
            with pytest.raises(refusals.Unauthenticated) as refused:
                await AsyncSafelight("http://test", api_key=wrong, http_client=http).models()
            assert (refused.value.status, refused.value.num_tries) == (401, 1)
