"""POST /v1/datasets and what follows: sent as a zip or file by file, judged file by file, read, edited, removed."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import AsyncIterator

import httpx
import numpy as np
import pytest
from PIL import Image

from app.datasets.archives import MAX_DIRECTORY_BYTES, entries_of
from app.settings import AppSettings
from contract.errors import DamagedFile
from contract.store_connection import StoreConnection
from tests.app.conftest import Player, assert_error, client_of
from tests.pictures import encoded, gradient, one_bit_bomb, opened

Files = dict[str, bytes]


def picture(seed: int = 0, width: int = 48, height: int = 40) -> Image.Image:
    """A picture that no other seed makes."""
    shifted = np.roll(np.asarray(gradient(width, height)), seed, axis=1)
    return Image.fromarray(shifted)


def png(seed: int = 0, **size: int) -> bytes:
    return encoded(picture(seed, **size))


def zipped(files: Files, **options: int) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return output.getvalue()


async def send(client: httpx.AsyncClient, files: Files, path: str = "", **texts: str) -> httpx.Response:
    """Sends files one by one."""
    parts = [("files", (name, content)) for name, content in files.items()]
    return await client.post(f"/v1/datasets{path}", files=parts, data=texts)


async def send_zip(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await client.post("/v1/datasets", files={"archive": ("pictures.zip", content)})


def captions(dataset: dict[str, object]) -> dict[str, str]:
    """What the pictures are called, by their names."""
    return {one["file_name"]: one["caption"] for one in dataset["pictures"]}  # type: ignore[attr-defined, index]


def problems(response: httpx.Response, status: int = 201) -> list[tuple[str, str]]:
    assert response.status_code == status, response.text
    return [(problem["file_name"], problem["code"]) for problem in response.json()["problems"]]


GOOD = {"cat.png": png(0), "cat.txt": b"\xef\xbb\xbfa tabby cat\n", "dog.jpeg": encoded(picture(1), "JPEG")}
GOOD |= {"captions.jsonl": json.dumps({"file_name": "dog.jpeg", "text": "a brown dog"}).encode() + b"\n\n"}


async def test_files_and_an_archive_of_them_make_the_same(client: httpx.AsyncClient) -> None:
    response = await send(client, GOOD, name="animals")
    dataset = response.json()
    assert problems(response) == []
    assert response.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert (dataset["name"], dataset["object"], dataset["num_pictures"]) == ("animals", "dataset", 2)
    assert captions(dataset) == {"cat.png": "a tabby cat", "dog.jpeg": "a brown dog"}
    assert [(one["index"], one["width"], one["height"]) for one in dataset["pictures"]] == [(0, 48, 40), (1, 48, 40)]
    assert (await client.get(f"/v1/datasets/{dataset['id']}")).json() == {
        name: value for name, value in dataset.items() if name != "problems"
    }
    folder = await send_zip(client, zipped({f"pets/{name}": content for name, content in GOOD.items()} | {"e/": b""}))
    assert problems(folder) == []
    assert captions(folder.json()) == {"pets/cat.png": "a tabby cat", "pets/dog.jpeg": "a brown dog"}
    assert folder.json()["digest"] == dataset["digest"]


async def test_pictures_are_kept_upright_opaque_and_without_metadata(client: httpx.AsyncClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    through = picture().copy()
    through.putalpha(Image.linear_gradient("L").resize(through.size))
    white = Image.alpha_composite(Image.new("RGBA", through.size, "white"), through).convert("RGB")
    turned = encoded(picture().transpose(Image.Transpose.ROTATE_180), exif=exif)
    grey = picture().convert("L")
    dataset = (await send(client, {"a.png": turned, "b.png": encoded(through), "c.png": encoded(grey)})).json()
    for one, expected in zip(dataset["pictures"], [picture(), white, grey.convert("RGB")], strict=True):
        content = await client.get(one["url"])
        assert content.headers["content-type"] == "image/png"
        assert content.headers["etag"] == f'"{one["sha256"]}"'
        found = opened(content.content)
        assert (found.mode, found.info) == ("RGB", {})
        assert np.array_equal(np.asarray(found), np.asarray(expected))
    head = await client.head(dataset["pictures"][0]["url"])
    assert (head.status_code, head.content) == (200, b"")


WRONG: dict[str, tuple[Files, str]] = {
    "text.png": ({"text.png": b"no picture"}, "unsupported_file"),
    "cut.png": ({"cut.png": png()[:200]}, "damaged_file"),
    "large.png": ({"large.png": one_bit_bomb()}, "limit_exceeded"),
    "small.png": ({"small.png": png(width=31)}, "too_small"),
    "again.png": ({"again.png": GOOD["cat.png"]}, "duplicate"),
    "bare.png": ({"bare.png": png(2)}, "no_caption"),
    "wordy.png": ({"wordy.png": png(2), "wordy.txt": b"w" * 10_000}, "caption_too_long"),
    "cow.txt": ({"cow.txt": b"a cow"}, "orphaned_caption"),
    "cat.txt": ({"cat.txt": b"\xff"}, "damaged_file"),
    "cow.target.png": ({"cow.target.png": png(2)}, "orphaned_target"),
    "cat.target.png": ({"cat.target.png": png(2, width=50)}, "target_of_other_size"),
    "cat.target.webp": ({"cat.target.webp": b"no picture"}, "unsupported_file"),
    "a.jsonl:1": ({"a.jsonl": b'{"file_name": "cow.png", "text": "a cow"}'}, "orphaned_caption"),
    "b.jsonl:1": ({"b.jsonl": b'{"file_name": "cat.png", "text": "a cat"}'}, "duplicate"),
    "cat.TXT": ({"cat.TXT": b"another cat"}, "duplicate"),
    "c.jsonl:2": ({"c.jsonl": b'\n{"file_name": "cat.png"}'}, "malformed_caption"),
    "../up.png": ({"../up.png": png(2)}, "unsupported_file"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_with_a_file_is_said_and_the_rest_is_kept(client: httpx.AsyncClient, name: str) -> None:
    files, code = WRONG[name]
    response = await send(client, {"cat.png": GOOD["cat.png"], "cat.txt": b"a tabby cat"} | files)
    found = problems(response)
    assert (name, code) in found
    kept = captions(response.json())
    assert kept.pop("cat.png") == ("" if name == "cat.txt" else "a tabby cat")
    assert kept == ({"bare.png": ""} if code == "no_caption" else {})
    assert {code for _, code in found} <= {code, "no_caption"}


async def test_a_target_belongs_to_its_picture(client: httpx.AsyncClient) -> None:
    files = {"scene.png": png(), "scene.txt": b"a scene", "scene.target.png": png(3), "scene.target.webp": png(4)}
    response = await send(client, files)
    assert problems(response) == [("scene.target.webp", "duplicate")]
    assert [one["has_target"] for one in response.json()["pictures"]] == [True]
    alone = (await send(client, {name: files[name] for name in ("scene.png", "scene.txt")})).json()
    assert alone["pictures"][0]["sha256"] == response.json()["pictures"][0]["sha256"]
    assert alone["digest"] != response.json()["digest"]
    assert alone["size_bytes"] < response.json()["size_bytes"]


async def test_nothing_to_learn_from_is_refused(client: httpx.AsyncClient, player: Player) -> None:
    response = await send(client, {"cat.txt": b"a cat", "cut.png": png()[:200]})
    assert_error(response, 422, "empty_dataset")
    assert "cut.png" in response.text
    assert_error(await send_zip(client, zipped({})), 422, "empty_dataset")
    assert_error(await client.post("/v1/datasets", files={"name": (None, b"x")}), 422, "invalid_request", "archive")
    both = [("archive", ("a.zip", zipped(GOOD))), ("files", ("cat.png", png()))]
    assert_error(await client.post("/v1/datasets", files=both), 422, "invalid_request", "archive")
    assert_error(await send(client, GOOD, name="x" * 201), 422, "invalid_request", "name")
    assert (await client.get("/v1/datasets")).json()["data"] == []


def lying(content: bytes, num_bytes: int) -> bytes:
    """An archive of one file that says of it that it has so many bytes."""
    claimed = num_bytes.to_bytes(4, "little")
    at = content.rindex(b"PK\x01\x02")
    content = content[: at + 24] + claimed + content[at + 28 :]
    return content[:22] + claimed + content[26:]


def linked() -> bytes:
    link = zipfile.ZipInfo("cat.png")
    link.external_attr = 0o120777 << 16
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    return output.getvalue()


def encrypted() -> bytes:
    content = bytearray(zipped({"cat.png": png()}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "none": (b"no archive", "damaged_file"),
    "cut off": (zipped(GOOD)[:-30], "damaged_file"),
    "a bomb": (zipped({"bomb.png": bytes(40_000_000)}), "limit_exceeded"),
    "many bombs": (zipped({f"{at}.txt": bytes(1_000_000) for at in range(300)}), "limit_exceeded"),
    "many files": (zipped({f"{at}.txt": b"" for at in range(4001)}), "limit_exceeded"),
    "a long directory": (
        zipped({f"{at:0>200}.txt": b"" for at in range(MAX_DIRECTORY_BYTES // 240)}), "limit_exceeded"
    ),
    "a way out": (zipped({"../../cat.png": png()}), "unsupported_file"),
    "a root": (zipped({"/cat.png": png()}), "unsupported_file"),
    "another root": (zipped({"C:/cat.png": png()}), "unsupported_file"),
    "a link": (linked(), "unsupported_file"),
    "a secret": (encrypted(), "unsupported_file"),
}  # fmt: skip


@pytest.mark.parametrize("name", ARCHIVES)
async def test_an_archive_that_is_not_safe_is_refused_whole(client: httpx.AsyncClient, name: str) -> None:
    content, code = ARCHIVES[name]
    assert_error(await send_zip(client, content), 422, code, "archive")


async def test_of_an_archive_that_lies_no_more_is_read_than_it_says(client: httpx.AsyncClient) -> None:
    """The stream inflates to a hundred million bytes, of which the directory says nothing."""
    bomb = lying(zipped({"cat.txt": bytes(100_000_000)}), 1000)
    assert len(bomb) < 110_000
    (entry,) = entries_of(io.BytesIO(bomb), 10**9)
    tracemalloc.start()
    with pytest.raises(DamagedFile):
        entry.read()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 5_000_000
    assert_error(await send_zip(client, bomb), 422, "empty_dataset")


@pytest.fixture
async def strict(settings: AppSettings) -> AsyncIterator[httpx.AsyncClient]:
    """A service that allows little."""
    limits = {"max_datasets": 2, "max_dataset_pictures": 2, "max_dataset_pixels": 5000, "max_dataset_bytes": 40_000}
    async with client_of(settings.model_copy(update=limits)) as client:
        yield client


async def test_limits_are_of_the_whole_data_set(strict: httpx.AsyncClient, connection: StoreConnection) -> None:
    three = {f"{at}.png": png(at, width=32) for at in range(3)}
    assert_error(await send(strict, three), 422, "limit_exceeded")
    assert_error(await send(strict, {"a.png": png(width=200)}), 422, "limit_exceeded")
    assert_error(await send(strict, {"a.txt": bytes(5_000_000)}), 413, "body_too_large")
    assert_error(await send_zip(strict, zipped({"a.txt": b"ab" * 30_000})), 422, "limit_exceeded", "archive")
    first = (await send(strict, {"a.png": png(width=32)})).json()
    assert_error(
        await send(strict, {"b.png": png(1), "c.png": png(2)}, f"/{first['id']}/pictures"), 422, "limit_exceeded"
    )
    assert (await strict.get(f"/v1/datasets/{first['id']}")).json()["num_pictures"] == 1
    assert problems(await send(strict, {"a.png": png()})) == [("a.png", "no_caption")]
    assert_error(await send(strict, {"a.png": png()}), 422, "limit_exceeded")
    assert len((await strict.get("/v1/datasets")).json()["data"]) == 2
    assert await connection.redis.zcard("safelight:datasets:announced") == 0


async def test_captions_take_no_more_memory_than_they_may(client: httpx.AsyncClient) -> None:
    """A quarter of a thousand pictures, each with as much of a caption as one may have."""
    lines = (json.dumps({"file_name": f"{at}.png", "text": "w" * 2000}) for at in range(251))
    files = {f"{at}.png": encoded(Image.new("RGB", (32, 32), (at, 0, 0))) for at in range(251)}
    lessons = files | {"captions.jsonl": "\n".join(lines).encode()}
    assert_error(await send_zip(client, zipped(lessons)), 422, "limit_exceeded")
    del lessons["250.png"]
    response = await send_zip(client, zipped(lessons))
    assert problems(response) == [("captions.jsonl:251", "orphaned_caption")]
    path = f"/v1/datasets/{response.json()['id']}/pictures/0"
    assert (await client.patch(path, json={"caption": "w" * 1999})).status_code == 200
    await send(client, {"more.png": png(), "more.txt": b"w"}, f"/{response.json()['id']}/pictures")
    assert_error(await client.patch(path, json={"caption": "w" * 2000}), 422, "limit_exceeded")


async def test_pictures_and_captions_come_one_by_one(client: httpx.AsyncClient) -> None:
    path = f"/{(await send(client, {'cat.png': png(0)})).json()['id']}"
    response = await send(client, {"dog.png": png(1), "cat.txt": b"a cat", "same.png": png(0)}, f"{path}/pictures")
    assert problems(response, 200) == [("dog.png", "no_caption"), ("same.png", "duplicate")]
    assert captions(response.json()) == {"cat.png": "a cat", "dog.png": ""}
    only_words = await send(client, {"dog.txt": b"a dog", "cow.txt": b"a cow"}, f"{path}/pictures")
    assert problems(only_words, 200) == [("cow.txt", "orphaned_caption")]
    assert captions(only_words.json()) == {"cat.png": "a cat", "dog.png": "a dog"}
    wordy = await send(client, {"dog.txt": b"d" * 3000}, f"{path}/pictures")
    assert problems(wordy, 200) == [("dog.png", "caption_too_long")]
    assert captions(wordy.json())["dog.png"] == "a dog"


async def test_captions_are_edited_and_pictures_removed(client: httpx.AsyncClient) -> None:
    dataset = (await send(client, GOOD)).json()
    path = f"/v1/datasets/{dataset['id']}"
    edited = await client.patch(f"{path}/pictures/0", json={"caption": " a cat on a wall "})
    assert captions(edited.json()) == {"cat.png": "a cat on a wall", "dog.jpeg": "a brown dog"}
    assert edited.json()["digest"] != dataset["digest"]
    left = (await client.delete(f"{path}/pictures/0")).json()
    assert (captions(left), left["pictures"][0]["index"]) == ({"dog.jpeg": "a brown dog"}, 1)
    for method, where in (("PATCH", ""), ("DELETE", ""), ("GET", "/content")):
        options = {"json": {"caption": "x"}} if method == "PATCH" else {}
        assert_error(await client.request(method, f"{path}/pictures/0{where}", **options), 404, "unknown_dataset")
    for body in ({"caption": "x" * 2001}, {"caption": 5}, {"caption": "x", "name": "y"}, {}):
        assert (await client.patch(f"{path}/pictures/1", json=body)).status_code == 422


async def test_data_sets_are_listed_newest_first_and_removed(client: httpx.AsyncClient, player: Player) -> None:
    ids = [(await send(client, {"a.png": png()})).json()["id"] for _ in range(3)]
    page = (await client.get("/v1/datasets?limit=2")).json()
    last = (await client.get(f"/v1/datasets?limit=2&cursor={page['next_cursor']}")).json()
    assert [one["id"] for one in page["data"] + last["data"]] == ids[::-1]
    assert last["next_cursor"] is None
    assert_error(await client.get("/v1/datasets?limit=0"), 422, "invalid_request", "limit")
    assert (await client.delete(f"/v1/datasets/{ids[0]}")).status_code == 204
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/pictures/0/content")):
        response = await client.request(method, f"/v1/datasets/{ids[0]}{path}")
        assert_error(response, 404, "unknown_dataset")
    assert_error(await send(client, GOOD, f"/{ids[0]}/pictures"), 404, "unknown_dataset")


async def test_of_what_a_job_learns_from_nothing_is_removed(client: httpx.AsyncClient) -> None:
    dataset = (await send(client, GOOD)).json()
    path = f"/v1/datasets/{dataset['id']}"
    asked = {"dataset": dataset["id"], "method": "lora", "steps": 1}
    job = (await client.post("/v1/fine-tunes", json=asked)).json()
    assert_error(await client.delete(path), 409, "dataset_in_use")
    assert_error(await client.delete(f"{path}/pictures/0"), 409, "dataset_in_use")
    assert (await client.patch(f"{path}/pictures/0", json={"caption": "x"})).status_code == 200
    await client.post(f"/v1/fine-tunes/{job['id']}/cancel")
    assert (await client.delete(f"{path}/pictures/0")).status_code == 200
    assert (await client.delete(path)).status_code == 204
