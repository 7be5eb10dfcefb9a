"""ArtifactStore over a directory, and over nothing at all."""

import os
import socket
import time
from pathlib import Path

import pytest

from contract.artifact import artifact_id, job_id_of
from contract.artifact_store import ArtifactStore
from contract.errors import ArtifactStoreUnavailable, UnknownArtifact
from contract.job import new_job_id


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore((tmp_path / "with space" / "artifacts").as_uri())


async def test_bytes_come_back_whole_and_in_part(artifacts: ArtifactStore) -> None:
    await artifacts.put("job/1/0.png", b"0123456789")
    assert await artifacts.get("job/1/0.png") == b"0123456789"
    assert await artifacts.get("job/1/0.png", 2, 5) == b"234"
    assert await artifacts.get("job/1/0.png", 7) == b"789"


async def test_what_is_gone_is_gone(artifacts: ArtifactStore) -> None:
    await artifacts.put("job/1/0.png", b"x")
    await artifacts.put("job/2/0.png", b"x")
    await artifacts.put("job2/1/0.png", b"x")
    await artifacts.delete("job/1/0.png")
    await artifacts.delete("job/1/0.png")
    with pytest.raises(UnknownArtifact):
        await artifacts.get("job/1/0.png")
    await artifacts.delete_all("job/")
    await artifacts.delete_all("never/")
    with pytest.raises(UnknownArtifact):
        await artifacts.get("job/2/0.png")
    assert await artifacts.get("job2/1/0.png") == b"x"


async def test_a_store_that_cannot_write_says_so(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path.as_uri())
    (tmp_path / "job").write_text("a file where a folder should be")
    with pytest.raises(ArtifactStoreUnavailable):
        await artifacts.put("job/1/0.png", b"x")


async def test_no_folder_stays_behind(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path.as_uri())
    for key in ("job/1/0.png", "job/2/0.png", "other/1/0.png", "files/1"):
        await artifacts.put(key, b"x")
    (tmp_path / "job" / "2" / "1.png#1").write_bytes(b"what a worker that was killed has begun")
    await artifacts.delete_all("job/")
    await artifacts.delete("other/1/0.png")
    await artifacts.delete("files/1")
    assert os.listdir(tmp_path) == []


async def test_how_long_a_store_has_taken_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    artifacts = ArtifactStore(folder.as_uri())
    await artifacts.probe()
    assert artifacts.refusing_seconds == 0
    folder.rename(tmp_path / "away")
    folder.write_text("a file where a folder should be")
    for _ in range(2):
        with pytest.raises(ArtifactStoreUnavailable):
            await artifacts.put("job/1/0.png", b"x")
    refusing_seconds = artifacts.refusing_seconds
    await artifacts.probe()
    assert artifacts.refusing_seconds > refusing_seconds > 0
    folder.unlink()
    await artifacts.probe()
    assert artifacts.refusing_seconds == 0


async def test_a_store_elsewhere_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    artifacts = ArtifactStore("s3://bucket/prefix")
    calls = (
        lambda: artifacts.put("job/1/0.png", b"x"),
        lambda: artifacts.get("job/1/0.png"),
        lambda: artifacts.delete("job/1/0.png"),
        lambda: artifacts.delete_all("job/"),
    )
    for call in calls:
        started_at = time.monotonic()
        with pytest.raises(ArtifactStoreUnavailable):
            await call()
        assert time.monotonic() - started_at < 2
    assert artifacts.refusing_seconds > 0


def test_an_artifact_id_leads_back_to_its_job() -> None:
    job_id = new_job_id()
    assert job_id_of(artifact_id(job_id, 12)) == job_id
    assert job_id_of("../../etc/passwd") != job_id
