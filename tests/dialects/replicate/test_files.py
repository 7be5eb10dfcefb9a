"""Files that Replicate's SDK sends along, and files that it sends ahead."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate
from replicate.exceptions import ReplicateError

from tests.app.conftest import Player, submit
from tests.dialects.replicate.conftest import NAME
from tests.pictures import encoded, gradient, opened

PICTURE = gradient(128, 128)


@pytest.fixture(params=["png", "jpeg", "webp"])
def path(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A picture on the disk."""
    path = tmp_path / f"picture.{request.param}"
    path.write_bytes(encoded(PICTURE, request.param))
    return path


async def pixels_of(client: httpx.AsyncClient, file_id: str) -> tuple[int, int]:
    return opened((await client.get(f"/v1/files/{file_id}/content")).content).size


@pytest.mark.parametrize("strategy", [None, "base64"])
@pytest.mark.parametrize(
    "given", [Path, open, lambda path: io.BytesIO(path.read_bytes())], ids=["path", "open", "bytes"]
)
async def test_the_sdk_sends_files_in_inputs(
    *,
    client: httpx.AsyncClient,
    local: replicate.Client,
    path: Path,
    given: Callable[..., Any],
    strategy: str | None,
) -> None:
    handle = given(path, "rb") if given is open else given(path)
    parameters: Any = {} if strategy is None else {"file_encoding_strategy": strategy}
    prediction = await local.predictions.async_create(
        NAME, {"prompt": "a fox", "image": handle, "strength": 0.5}, **parameters
    )
    assert await pixels_of(client, prediction.input["image"]) == PICTURE.size
    if not isinstance(handle, Path):
        handle.close()


async def test_files_are_named_by_id_and_by_address(
    client: httpx.AsyncClient, local: replicate.Client, player: Player, tmp_path: Path
) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(encoded(PICTURE))
    file = await local.files.async_create(picture)
    content = f"{file.urls['get']}/content"
    for name in (file.id, file.urls["get"], content):
        prediction = await local.predictions.async_create(NAME, {"prompt": "a fox", "image": name})
        assert prediction.input["image"] == file.id
    job_id = await submit(client)
    lease = await player.claim()
    while lease.job_id != job_id:
        lease = await player.claim()
    artifact = await player.publish(lease, content=encoded(PICTURE))
    address = f"http://test/v1/artifacts/{artifact.id}"
    prediction = await local.predictions.async_create(NAME, {"prompt": "a fox", "image": address})
    assert await pixels_of(client, prediction.input["image"]) == PICTURE.size


async def test_files_are_named_by_address_wherever_an_input_names_files(
    client: httpx.AsyncClient, local: replicate.Client
) -> None:
    file = await local.files.async_create(io.BytesIO(encoded(PICTURE)))
    for fields in (
        {"control": [{"id": "edges", "image": file.urls["get"]}]},
        {"image_prompt": {"id": "by-example", "image": file.urls["get"]}},
    ):
        with pytest.raises(ReplicateError, match="There is no adapter"):
            await local.predictions.async_create(NAME, {"prompt": "a fox"} | fields)
    deep = '{"version": "safelight-emoji", "input": ' + '{"control": [' * 400 + "]}" * 400 + "}"
    answer = await client.post("/v1/predictions", content=deep, headers={"content-type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        "https://example.com/v1/files/file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6",
        "http://test/v1/files/../files/file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6",
        "http://test/v1/models",
    ],
)
async def test_no_other_address_is_taken(local: replicate.Client, address: str) -> None:
    with pytest.raises(ReplicateError, match="URLs are not fetched") as raised:
        await local.predictions.async_create(NAME, {"prompt": "a fox", "image": address})
    assert raised.value.status == 422


async def test_the_sdk_reads_lists_and_removes_files(local: replicate.Client, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(encoded(PICTURE))
    files = [await local.files.async_create(picture) for _ in range(2)]
    assert await local.files.async_list() == files[::-1]
    assert await local.files.async_get(files[0].id) == files[0]
    assert (files[0].content_type, files[0].name) == ("image/png", f"{files[0].id}.png")
    assert files[0].checksums == {"sha256": files[0].etag}
    assert await local.files.async_delete(files[0].id)
    with pytest.raises(ReplicateError, match="There is no file") as raised:
        await local.files.async_get(files[0].id)
    assert raised.value.status == 404


async def test_what_is_sent_under_both_names_is_one_field(client: httpx.AsyncClient) -> None:
    picture = encoded(PICTURE)
    answer = await client.post("/v1/files", files=[("file", picture), ("content", picture)])
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]["field"]) == (422, 422, "file")


async def test_metadata_of_files_is_refused(local: replicate.Client) -> None:
    with pytest.raises(ReplicateError, match="metadata"):
        await local.files.async_create(io.BytesIO(encoded(PICTURE)), metadata={"order": "42"})
