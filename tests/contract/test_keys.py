"""API keys: their text, their records, and what becomes of them; the secret is kept nowhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import integers, text

from contract.errors import KeyEnded, StoreUnavailable, UnknownKey
from contract.exposure import NoKeyError, check_exposure, is_loopback
from contract.key_texts import KeyText
from contract.keys import Key, KeyGrant, KeyStore, Scope
from contract.store_connection import StoreConnection

GRANT = KeyGrant(tenant="acme", scopes=("read", "generate"), note="laptop")
HOUR = timedelta(hours=1)


@pytest.fixture
def keys(connection: StoreConnection) -> KeyStore:
    return KeyStore(connection)


def test_a_key_is_read_as_it_was_written_and_says_who_made_it() -> None:
    key = KeyText.fresh()
    assert KeyText.read(str(key)) == key
    assert str(key).startswith(f"sl_{key.id}_")
    assert len(key.secret) * 4 == 256
    assert key.secret not in repr(key)


@given(text())
def test_other_text_is_no_key(other: str) -> None:
    assert KeyText.read(other) is None


@given(integers(3, 87), integers(1, 15))
def test_a_key_with_a_letter_wrong_is_no_key(place: int, change: int) -> None:
    written = str(KeyText("0123456789ab", "0" * 64))
    if written[place] != "_":
        other = f"{int(written[place], 16) ^ change:x}"
        assert KeyText.read(written[:place] + other + written[place + 1 :]) is None


async def state(keys: KeyStore, key_id: str, at: datetime | None = None) -> str:
    return (await keys.all())[key_id].state(at or datetime.now(UTC))


async def test_a_key_is_kept_without_its_secret(keys: KeyStore, connection: StoreConnection) -> None:
    written = await keys.create(GRANT)
    (key,) = (await keys.all()).values()
    assert (key.id, key.tenant, key.scopes, key.note) == (written.id, "acme", ("read", "generate"), "laptop")
    assert key.matches(written)
    assert not key.matches(KeyText(written.id, KeyText.fresh().secret))
    for name in await connection.redis.keys():
        if await connection.redis.type(name) == "hash":
            assert written.secret not in str(await connection.redis.hgetall(name))


async def test_a_key_ends_when_its_time_is_over_or_it_is_revoked(keys: KeyStore) -> None:
    brief, long = await keys.create(GRANT, HOUR), await keys.create(GRANT)
    now = datetime.now(UTC)
    assert [await state(keys, brief.id, now + when) for when in (HOUR / 2, HOUR)] == ["live", "expired"]
    assert await state(keys, long.id, now + 1e6 * HOUR) == "live"
    await keys.revoke(long.id)
    assert await state(keys, long.id) == "revoked"
    with pytest.raises(KeyEnded):
        await keys.revoke(long.id)
    with pytest.raises(KeyEnded):
        await keys.rotate(long.id, HOUR)
    with pytest.raises(UnknownKey):
        await keys.revoke("0123456789ab")


async def test_a_rotated_key_overlaps_with_its_successor(keys: KeyStore) -> None:
    old = await keys.create(GRANT, 48 * HOUR)
    new = await keys.rotate(old.id, HOUR)
    now, known = datetime.now(UTC), await keys.all()
    assert new.id != old.id
    assert KeyGrant(**known[new.id].model_dump(include=set(KeyGrant.model_fields))) == GRANT
    assert known[new.id].matches(new)
    assert [known[text.id].state(now + HOUR / 2) for text in (old, new)] == ["live", "live"]
    assert [known[text.id].state(now + HOUR) for text in (old, new)] == ["expired", "live"]
    assert known[new.id].state(now + 48 * HOUR) == "expired", "it lives as long as the old one was to live"


async def test_an_overlap_prolongs_nothing(keys: KeyStore) -> None:
    old = await keys.create(GRANT, HOUR)
    await keys.rotate(old.id, 24 * HOUR)
    assert await state(keys, old.id, datetime.now(UTC) + HOUR) == "expired"


async def test_every_change_changes_the_version(keys: KeyStore) -> None:
    versions = [await keys.version()]
    key = await keys.create(GRANT)
    versions.append(await keys.version())
    new = await keys.rotate(key.id, HOUR)
    versions.append(await keys.version())
    await keys.revoke(new.id)
    versions.append(await keys.version())
    assert len(set(versions)) == 4


async def test_of_two_changes_at_once_one_is_told(keys: KeyStore, connection: StoreConnection) -> None:
    key = await keys.create(GRANT)
    version = await keys.version()
    await keys.rotate(key.id, HOUR)
    stale = (await keys.all())[key.id].model_copy(update={"note": "stale"})
    assert await connection.run("keep_keys", version or "", stale.id, stale.model_dump_json()) == 0
    assert (await keys.all())[key.id].note == "laptop"


async def test_a_change_that_is_sent_twice_is_made_once(keys: KeyStore, connection: StoreConnection) -> None:
    written = await keys.create(GRANT)
    record = (await keys.all())[written.id].model_dump_json()
    assert await connection.run("keep_keys", "", written.id, record) == 1
    assert await keys.version() == "1"


@pytest.mark.parametrize("tenant", ["", "Acme", "a@b", "a b", "-a", "a" * 64, "a\n"])
def test_a_tenants_name_is_plain(tenant: str) -> None:
    with pytest.raises(ValueError, match="tenant"):
        KeyGrant(tenant=tenant, scopes=("read",))


@pytest.mark.parametrize("scopes", [(), ("root",)])
def test_scopes_are_known(scopes: tuple[Scope, ...]) -> None:
    with pytest.raises(ValueError, match="scopes"):
        KeyGrant(tenant="acme", scopes=scopes)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.9", False),
        ("", False),
        ("example.test", False),
    ],
)
async def test_only_loopback_is_open_without_keys(keys: KeyStore, host: str, local: bool) -> None:
    assert is_loopback(host) is local
    if local:
        assert await check_exposure(host, keys) is False
    else:
        with pytest.raises(NoKeyError, match="no API key"):
            await check_exposure(host, keys)
    assert await check_exposure(host, keys, open_to_others=True) is False
    written = await keys.create(GRANT)
    await keys.revoke(written.id)
    assert await check_exposure(host, keys) is True, "keys that have ended still shut the door"


async def test_where_nobody_can_tell_others_are_not_let_in(tmp_path: Path) -> None:
    connection = StoreConnection(f"unix://{tmp_path}/none.sock")
    nobody = KeyStore(connection)
    with pytest.raises(NoKeyError, match="cannot be asked"):
        await check_exposure("0.0.0.0", nobody)
    for host, open_to_others in (("127.0.0.1", False), ("0.0.0.0", True)):
        with pytest.raises(StoreUnavailable):
            await check_exposure(host, nobody, open_to_others=open_to_others)
    await connection.close()


def test_a_record_of_a_later_version_is_read() -> None:
    now = datetime.now(UTC)
    key = Key(**GRANT.model_dump(), id="0123456789ab", account="0123456789ab", digest="x", created_at=now)
    later = key.model_dump_json().replace("{", '{"colour": "red", ', 1)
    assert Key.model_validate_json(later) == key
