"""GET /v1/models."""

import httpx

from contract.certificates import Certificates
from contract.liveness import Liveness, Pulse
from contract.store_connection import StoreConnection
from tests.app.conftest import assert_error
from tests.contract.test_certificates import SMALL

ROW = {
    "id": "safelight-emoji",
    "object": "model",
    "owned_by": "safelight",
    "family": "stable_diffusion",
    "licence": "MIT",
    "defaults": {
        "height": 128,
        "width": 128,
        "num_inference_steps": 20,
        "guidance_scale": 2.5,
        "scheduler": "ddim",
    },
}


async def test_models_are_listed_as_openais_clients_expect(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()
    assert (set(listed), listed["object"]) == ({"object", "data", "results", "next", "previous"}, "list")
    (row,) = listed["data"]
    assert row.items() >= ROW.items()
    assert isinstance(row["created"], int)
    assert set(row["limits"]) >= {"min_size", "max_size", "max_num_inference_steps"}
    assert "ddim" in row["schedulers"]
    assert not {"source", "text_encoder"} & set(row)
    alone = (await client.get("/v1/models/safelight-emoji")).json()
    assert alone.items() >= (row | {"resident_workers": 0, "certificates": []}).items()


async def test_a_model_is_shown_with_what_live_workers_say_of_it(
    client: httpx.AsyncClient, connection: StoreConnection
) -> None:
    liveness = Liveness(connection, lease_seconds=15)
    await liveness.beat(Pulse("w1", 0, 0, 0, 0.0, ("safelight-emoji", "other")))
    await liveness.beat(Pulse("w2", 0, 0, 0, 0.0, ("other",)))
    proven = SMALL.model_copy(update={"model": "safelight-emoji"})
    await Certificates(connection, lease_seconds=15).report("w1", [proven, SMALL])
    shown = (await client.get("/v1/models/safelight-emoji")).json()
    assert shown["resident_workers"] == 1
    assert shown["certificates"] == [proven.model_dump(mode="json")]


async def test_an_unknown_model(client: httpx.AsyncClient) -> None:
    for model_id in ("nope", "some/name", "%00"):
        assert_error(await client.get(f"/v1/models/{model_id}"), 404, "unknown_model", "model")
