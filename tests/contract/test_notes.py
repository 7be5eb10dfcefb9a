"""Notes are one tenant's, and are forgotten some time after they were last read."""

from contract.notes import Notes
from contract.store_connection import StoreConnection
from tests.waiting import wait_until_async


async def test_notes_are_one_tenants_and_fade(connection: StoreConnection) -> None:
    ours = Notes(connection, kept_seconds=60)
    theirs = ours.of("other")
    await ours.put("name", "text")
    assert (await ours.get("name"), await theirs.get("name"), await ours.get("else")) == ("text", None, None)
    brief = Notes(connection, kept_seconds=1)
    await brief.put("brief", "text")
    assert await brief.get("brief") == "text"

    async def gone() -> bool:
        return not await connection.redis.exists("safelight:notes:brief")

    await wait_until_async(gone, 5)
    assert await brief.get("brief") is None
