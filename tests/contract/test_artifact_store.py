"""ArtifactStore over a directory."""

from pathlib import Path

import pytest

from contract.artifact import artifact_id, job_id_of
from contract.artifact_store import ArtifactStore
from contract.errors import StoreUnavailable, UnknownArtifact
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
    with pytest.raises(StoreUnavailable):
        await artifacts.put("job/1/0.png", b"x")


def test_an_artifact_id_leads_back_to_its_job() -> None:
    job_id = new_job_id()
    assert job_id_of(artifact_id(job_id, 12)) == job_id
    assert job_id_of("../../etc/passwd") != job_id
