"""Uploaded safetensors: their header is held against their bytes, and nothing is ever unpickled."""

import json
import pickle
import struct
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save

from app.settings import AppSettings
from app.weights import check_weights, is_weights
from contract.errors import SafelightError
from tests.app.conftest import assert_error

WHOLE = save({"down": torch.randn(4, 3), "up": torch.randn(3, 4).half(), "none": torch.zeros(0, 4)}, {"rank": "3"})
LIMITS = AppSettings()


def weights(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def tensor(begin: int, end: int, dtype: str = "F32", shape: Any = None) -> dict[str, Any]:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


async def test_weights_are_kept_as_they_are(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/files", files={"file": ("lora.png", WHOLE)})
    file = response.json()
    assert (response.status_code, file["kind"], file["width"]) == (201, "weights", None)
    content = await client.get(f"/v1/files/{file['id']}/content")
    assert content.content == WHOLE
    assert content.headers["content-type"] == "application/octet-stream"
    assert content.headers["content-disposition"].endswith('.safetensors"')


BAD: dict[str, tuple[bytes, str]] = {
    "long header": (weights(b"{" + b" " * 1_000_000 + b"}"), "unsupported_file"),
    "no tensors": (weights({}), "unsupported_file"),
    "strange type": (weights({"a": tensor(0, 4, "F4")}, bytes(4)), "unsupported_file"),
    "not json": (weights(b"{nonsense}"), "damaged_file"),
    "twice": (weights(b'{"a": 1, "a": 1}'), "damaged_file"),
    "deep": (weights(b'{"a":' * 100_000), "damaged_file"),
    "no entry": (weights({"a": 5}), "damaged_file"),
    "metadata of numbers": (weights({"__metadata__": {"rank": 4}, "a": tensor(0, 4)}, bytes(4)), "damaged_file"),
    "negative": (weights({"a": tensor(-4, 0)}), "damaged_file"),
    "fractions": (weights({"a": tensor(0, 4, shape=[1.0])}, bytes(4)), "damaged_file"),
    "many dimensions": (weights({"a": tensor(0, 4, shape=[1] * 17)}, bytes(4)), "damaged_file"),
    "huge shape": (weights({"a": tensor(0, 4, shape=[2**47] * 16)}, bytes(4)), "damaged_file"),
    "another shape": (weights({"a": tensor(0, 8, shape=[1])}, bytes(8)), "damaged_file"),
    "beyond the end": (weights({"a": tensor(0, 8)}, bytes(4)), "damaged_file"),
    "overlap": (weights({"a": tensor(0, 8), "b": tensor(4, 12)}, bytes(12)), "damaged_file"),
    "gap": (weights({"a": tensor(0, 4), "b": tensor(8, 12)}, bytes(12)), "damaged_file"),
    "left over": (weights({"a": tensor(0, 4)}, bytes(8)), "damaged_file"),
    "backwards": (weights({"a": tensor(8, 4)}, bytes(8)), "damaged_file"),
}


@pytest.mark.parametrize("name", BAD)
async def test_bad_weights_are_named(client: httpx.AsyncClient, name: str) -> None:
    content, code = BAD[name]
    assert_error(await client.post("/v1/files", files={"file": content}), 422, code, "file")


class Touch:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.trace,)


def archived(content: object, **options: bool) -> bytes:
    """What torch makes of it, as `.bin`, `.pt` and `.ckpt` files are."""
    output = BytesIO()
    torch.save(content, output, **options)
    return output.getvalue()


@pytest.mark.parametrize("kind", ["pickle", "archive", "old archive", "pickle after a header"])
async def test_pickles_are_refused_unread(client: httpx.AsyncClient, tmp_path: Path, kind: str) -> None:
    bomb = Touch(tmp_path / "trace")
    content = {
        "pickle": pickle.dumps(bomb),
        "archive": archived({"weight": torch.zeros(3), "bomb": bomb}),
        "old archive": archived({"weight": torch.zeros(3), "bomb": bomb}, _use_new_zipfile_serialization=False),
        "pickle after a header": weights({}) + pickle.dumps(bomb),
    }[kind]
    for name in ("lora.safetensors", "pytorch_model.bin", "model.ckpt"):
        sent = await client.post("/v1/files", files={"file": (name, content)})
        assert_error(sent, 422, "unsupported_file", "file")
    assert not (tmp_path / "trace").exists()


async def test_weights_are_no_picture(client: httpx.AsyncClient) -> None:
    file_id = (await client.post("/v1/files", files={"file": WHOLE})).json()["id"]
    response = await client.post("/v1/generations", json={"prompt": "x", "image": file_id})
    assert_error(response, 422, "unsupported_file", "image")


@settings(max_examples=300, deadline=None, database=None)
@given(at=st.integers(0, 250), value=st.integers(0, 255))
def test_whatever_is_taken_can_be_loaded(at: int, value: int) -> None:
    """One byte of a good file changes: what the check lets through, the library loads."""
    changed = bytearray(WHOLE)
    changed[at] = value
    content = bytes(changed)
    try:
        taken = is_weights(content) and check_weights(content, LIMITS)
    except SafelightError:
        return
    if taken:
        assert load(content)
