"""Pictures that are read from the S3-compatible store itself: whom the API sends there, and whom not."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from pydantic import ValidationError

from app.settings import AppSettings
from contract.store_connection import StoreConnection
from tests import s3_stores
from tests.app.conftest import Player, assert_error, client_of, submit
from tests.app.keys import bearer, make_key
from tests.s3_stores import S3Process


@pytest.fixture(scope="module")
def moto() -> Iterator[S3Process]:
    yield from s3_stores.moto()


NOBODY = S3Process((), 1)
"""A store that nobody serves."""


@pytest.fixture
async def anybody(
    settings: AppSettings, connection: StoreConnection, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    for name, value in NOBODY.environment.items():
        monkeypatch.setenv(name, value)
    await make_key(connection, "somebody")
    async with client_of(
        settings.model_copy(update={"artifacts_url": NOBODY.location, "presigned_seconds": 60})
    ) as client:
        yield client


@pytest.fixture
async def owner(connection: StoreConnection) -> dict[str, str]:
    return bearer(await make_key(connection, "acme"))


@pytest.fixture
async def path(anybody: httpx.AsyncClient, owner: dict[str, str], player: Player) -> str:
    """Where the owner's picture is, without a signature."""
    await anybody.post("/v1/generations", json={"prompt": "a red apple"}, headers=owner)
    lease = await player.finish()
    return f"/v1/artifacts/{lease.job_id.replace('job_', 'art_')}_0"


async def test_who_may_read_a_picture_is_sent_to_it(
    anybody: httpx.AsyncClient, owner: dict[str, str], path: str
) -> None:
    sent = await anybody.get(path, headers=owner)
    assert (sent.status_code, sent.content, sent.headers["cache-control"]) == (307, b"", "no-store")
    assert "etag" not in sent.headers
    address = urlsplit(sent.headers["location"])
    assert (f"{address.scheme}://{address.netloc}", address.path.split("/")[1:3]) == (
        NOBODY.endpoint,
        ["pictures", "safelight"],
    )
    asked = parse_qs(address.query)
    assert (asked["X-Amz-Expires"], asked["X-Amz-SignedHeaders"]) == (["60"], ["host"])
    assert NOBODY.secret not in sent.headers["location"]
    signed = (await anybody.get(f"/v1/jobs/{_job_of(path)}", headers=owner)).json()["images"][0]["url"]
    assert (await anybody.get(signed)).status_code == 307, "a signed address leads there, too"


async def test_who_may_not_read_a_picture_is_sent_nowhere(
    anybody: httpx.AsyncClient, connection: StoreConnection, owner: dict[str, str], path: str
) -> None:
    foreign = bearer(await make_key(connection, "rival"))
    assert_error(await anybody.get(path, headers=foreign), 404, "unknown_artifact")
    assert_error(await anybody.get(path), 401, "unauthenticated")
    assert_error(
        await anybody.get(f"{path}?signature=00&tenant=acme&expires=9999999999&key=k"), 404, "unknown_artifact"
    )
    assert_error(await anybody.get(path.replace("_0", "_1"), headers=owner), 404, "unknown_artifact")


async def test_what_needs_no_bytes_is_answered_here(
    anybody: httpx.AsyncClient, owner: dict[str, str], path: str
) -> None:
    head = await anybody.head(path, headers=owner)
    assert (head.status_code, head.headers["content-type"]) == (200, "image/png")
    assert int(head.headers["content-length"]) > 0
    known = await anybody.get(path, headers=owner | {"If-None-Match": head.headers["etag"]})
    assert known.status_code == 304


async def test_without_the_setting_nobody_is_sent_elsewhere(client: httpx.AsyncClient, player: Player) -> None:
    await submit(client)
    lease = await player.finish()
    assert (await client.get(f"/v1/artifacts/{lease.job_id.replace('job_', 'art_')}_0")).status_code == 200


async def test_parts_are_sent_from_here_too(
    settings: AppSettings, player: Player, monkeypatch: pytest.MonkeyPatch, moto: S3Process
) -> None:
    """The store's bytes through the API: whole, in part, and what is no part of it."""
    player = replace(player, artifacts=moto.store(monkeypatch))
    async with client_of(settings.model_copy(update={"artifacts_url": moto.location})) as client:
        await submit(client)
        lease = await player.finish()
        path = f"/v1/artifacts/{lease.job_id.replace('job_', 'art_')}_0"
        whole = await client.get(path)
        part = await client.get(path, headers={"Range": "bytes=2-4", "If-Range": whole.headers["etag"]})
        assert (whole.status_code, part.status_code, part.content) == (200, 206, whole.content[2:5])
        beyond = await client.get(path, headers={"Range": "bytes=9999-"})
        assert_error(beyond, 416, "range_not_satisfiable", "Range")


def test_the_setting_is_judged_at_the_start() -> None:
    with pytest.raises(ValidationError, match="SAFELIGHT_PRESIGNED_SECONDS"):
        AppSettings(presigned_seconds=60)
    with pytest.raises(ValidationError, match="presigned_seconds"):
        AppSettings(presigned_seconds=901, artifacts_url=NOBODY.location)
    assert AppSettings(presigned_seconds=900, artifacts_url=NOBODY.location).presigned_seconds == 900


def _job_of(path: str) -> str:
    return path.rpartition("/")[2].replace("art_", "job_").removesuffix("_0")
