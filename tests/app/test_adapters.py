"""GET /v1/adapters, and what the API knows not to fit without looking at weights."""

from base64 import b64encode

import httpx
import pytest
import torch
from safetensors.torch import save

from contract.job_store import JobStore
from tests.app.conftest import BODY, assert_error, submit
from tests.pictures import encoded, gradient

FILE = "file_" + "0" * 32
IMAGE = f"data:image/png;base64,{b64encode(encoded(gradient(64, 64))).decode()}"

ROW = {
    "id": "gilded",
    "object": "adapter",
    "owned_by": "safelight",
    "licence": "MIT",
    "kind": "lora",
    "models": ["safelight-emoji"],
}


async def test_adapters_are_listed_as_models_are(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/adapters")).json()
    assert (set(listed), listed["object"]) == ({"object", "data"}, "list")
    (row,) = listed["data"]
    assert row.items() >= ROW.items()
    assert not {"source", "file", "image_encoder"} & set(row)
    assert (await client.get("/v1/adapters/gilded")).json() == row


async def test_an_unknown_adapter(client: httpx.AsyncClient) -> None:
    for adapter_id in ("nope", "some/name", FILE):
        assert_error(await client.get(f"/v1/adapters/{adapter_id}"), 404, "unknown_adapter", "adapter_id")


async def test_what_is_named_comes_back_with_the_job(client: httpx.AsyncClient, job_store: JobStore) -> None:
    sent = await client.post("/v1/files", files={"file": ("lora.safetensors", save({"a": torch.zeros(2)}))})
    uses = [{"id": "gilded", "scale": 0.8}, {"id": sent.json()["id"], "scale": -1.0}]
    job = await job_store.get(await submit(client, adapters=uses))
    assert job.request.model_dump(mode="json")["adapters"] == uses
    assert job.request.references() == {"adapters.1.id": sent.json()["id"]}


BAD: dict[str, tuple[dict[str, object], int, str, str]] = {
    "unknown": ({"adapters": [{"id": "nope"}]}, 404, "unknown_adapter", "adapters.0.id"),
    "unknown file": ({"adapters": [{"id": FILE}]}, 404, "unknown_file", "adapters.0.id"),
    "no file's id": ({"adapters": [{"id": "file_1"}]}, 422, "invalid_request", "adapters.0.id"),
    "twice": ({"adapters": [{"id": "gilded"}, {"id": "gilded"}]}, 422, "invalid_request", "adapters.1.id"),
    "too many": ({"adapters": [{"id": "gilded"}] * 9}, 422, "invalid_request", "adapters"),
    "too much": ({"adapters": [{"id": "gilded", "scale": 9}]}, 422, "invalid_request", "adapters.0.scale"),
    "more": ({"adapters": [{"id": "gilded", "weight": 1}]}, 422, "invalid_request", "adapters.0.weight"),
    "in control": ({"control": [{"id": "gilded", "image": IMAGE}]}, 422, "adapter_mismatch", "control.0.id"),
    "as a picture": ({"image_prompt": {"id": "gilded", "image": IMAGE}}, 422, "adapter_mismatch", "image_prompt.id"),
    "no picture": ({"control": [{"id": "edges"}]}, 422, "invalid_request", "control.0.image"),
    "reversed": (
        {"control": [{"id": "edges", "image": IMAGE, "interval": [0.8, 0.2]}]},
        422,
        "invalid_request",
        "control.0.interval",
    ),
}


@pytest.mark.parametrize("case", BAD)
async def test_bad_requests_name_the_field(client: httpx.AsyncClient, case: str) -> None:
    changes, status, code, field = BAD[case]
    assert_error(await client.post("/v1/generations", json=BODY | changes), status, code, field)
