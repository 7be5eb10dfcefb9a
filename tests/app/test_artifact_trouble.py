"""The artifact store is out of reach: what needs it is refused soon, as something to be tried again."""

import socket
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from app.settings import AppSettings
from tests.app.conftest import Player, assert_error, client_of, submit
from tests.pictures import encoded, gradient


@pytest.fixture
async def without(settings: AppSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application whose artifact store is at a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }.items():
        monkeypatch.setenv(name, value)
    async with client_of(settings.model_copy(update={"artifacts_url": "s3://bucket/prefix"})) as client:
        yield client


async def test_what_needs_artifacts_is_refused_soon(
    client: httpx.AsyncClient, without: httpx.AsyncClient, player: Player
) -> None:
    job_id = await submit(client)
    await player.finish()
    picture = f"/v1/artifacts/{job_id.replace('job', 'art')}_0"
    for method, path, files in (
        ("GET", picture, None),
        ("POST", "/v1/files", {"file": encoded(gradient())}),
        ("POST", "/v1/datasets", {"files": ("a.png", encoded(gradient(32, 32)))}),
        ("DELETE", f"/v1/jobs/{job_id}", None),
    ):
        started_at = time.monotonic()
        response = await without.request(method, path, files=files)
        assert time.monotonic() - started_at < 2
        assert_error(response, 503, "artifact_store_unavailable")
        assert int(response.headers["retry-after"]) > 0
        assert "127.0.0.1" not in response.text
    assert (await client.get(picture)).status_code == 200
    assert (await without.get(f"/v1/jobs/{job_id}")).json()["status"] == "succeeded"
