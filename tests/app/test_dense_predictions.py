"""POST /v1/dense-predictions, and models that tenants have taught, wherever a model is named."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.store_connection import StoreConnection
from tests.app.conftest import Player, assert_error
from tests.app.keys import bearer, make_key
from tests.pictures import encoded, gradient
from tests.taught import taught

MODEL = "safelight-emoji"
NOT_THERE = "ft_" + "0" * 32


@pytest.fixture
def unet(tmp_path: Path) -> Path:
    """What looks like a U-Net to who does not open it."""
    folder = tmp_path / "unet"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "diffusion_pytorch_model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
async def depth(connection: StoreConnection, player: Player, unet: Path) -> str:
    return await taught(connection, player.artifacts, unet, model=MODEL, resolution=128)


async def as_file(client: httpx.AsyncClient, **options: Any) -> str:
    picture = encoded(gradient(300, 200))
    return str((await client.post("/v1/files", files={"file": picture}, **options)).json()["id"])


async def predicted(client: httpx.AsyncClient, model: str, **fields: Any) -> httpx.Response:
    return await client.post("/v1/dense-predictions", json={"model": model, "image": await as_file(client)} | fields)


async def test_a_picture_becomes_a_job_that_makes_its_map(
    client: httpx.AsyncClient, depth: str, player: Player
) -> None:
    response = await predicted(client, depth, seed=7, metadata={"order": "42"})
    assert response.status_code == 202, response.text
    job = response.json()
    assert response.headers["location"] == f"/v1/jobs/{job['id']}"
    request = job["request"]
    assert request["model"] == depth
    assert (request["height"], request["width"], request["num_inference_steps"]) == (96, 128, 1)
    assert (request["scheduler"], request["guidance_scale"], request["seed"]) == ("ddim_trailing", 1.0, 7)
    assert (request["strength"], request["resize"], request["metadata"]) == (1.0, "stretch", {"order": "42"})
    await player.finish()
    ended = (await client.get(f"/v1/jobs/{job['id']}")).json()
    assert (ended["status"], len(ended["images"])) == ("succeeded", 1)


async def test_the_same_call_again_is_the_same_job(client: httpx.AsyncClient, depth: str) -> None:
    headers, body = {"Idempotency-Key": "once"}, {"model": depth, "image": await as_file(client)}
    first, again = [await client.post("/v1/dense-predictions", json=body, headers=headers) for _ in range(2)]
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": MODEL}, (422, "unsupported_model", "model")),
        ({"model": NOT_THERE}, (404, "unknown_model", "model")),
        ({"model": "nope"}, (404, "unknown_model", "model")),
        ({"num_inference_steps": 2}, (422, "limit_exceeded", "num_inference_steps")),
        ({"image": "file_" + "0" * 32}, (404, "unknown_file", "image")),
        ({"prompt": "a fox"}, (422, "invalid_request", "prompt")),
        ({"seed": -1}, (422, "invalid_request", "seed")),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
async def test_what_is_wrong_is_named(
    client: httpx.AsyncClient, depth: str, fields: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert_error(await predicted(client, **{"model": depth} | fields), *expected)


async def test_a_taught_model_is_its_tenants_alone(
    client: httpx.AsyncClient, connection: StoreConnection, player: Player, unet: Path
) -> None:
    own = await taught(connection, player.artifacts, unet, tenant="acme", model=MODEL, resolution=128)
    acme, rival = [bearer(await make_key(connection, name)) for name in ("acme", "rival")]
    image = await as_file(client, headers=rival)
    answers = []
    for model in (own, NOT_THERE):
        for path in ("/v1/dense-predictions", "/v1/generations"):
            response = await client.post(path, json={"model": model, "image": image}, headers=rival)
            assert_error(response, 404, "unknown_model", "model")
            answers.append(response.json()["error"]["message"].replace(model, ""))
        assert (await client.get(f"/v1/models/{model}", headers=rival)).status_code == 404
    assert len(set(answers)) == 1
    listed = [(await client.get("/v1/models", headers=key)).json()["data"] for key in (acme, rival)]
    assert [own in [model["id"] for model in models] for models in listed] == [True, False]
    shown = (await client.get(f"/v1/models/{own}", headers=acme)).json()
    assert shown["map"] == {"task": "depth", "begins_at": "zeros"}
    assert shown["schedulers"] == ["ddim_trailing"]


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
async def test_only_what_ended_well_is_a_model(
    client: httpx.AsyncClient, connection: StoreConnection, player: Player, unet: Path, outcome: Any
) -> None:
    ended = await taught(connection, player.artifacts, unet, model=MODEL, outcome=outcome)
    assert_error(await predicted(client, ended), 404, "unknown_model", "model")
    assert ended not in [model["id"] for model in (await client.get("/v1/models")).json()["data"]]


async def test_an_adapter_is_no_model(client: httpx.AsyncClient, connection: StoreConnection, player: Player) -> None:
    adapter = await taught(connection, player.artifacts, None, model=MODEL, method="lora", task=None)
    assert_error(await client.post("/v1/generations", json={"model": adapter}), 404, "unknown_model", "model")


async def test_a_model_that_was_taught_pictures_makes_pictures(
    client: httpx.AsyncClient, connection: StoreConnection, player: Player, unet: Path
) -> None:
    full = await taught(connection, player.artifacts, unet, model=MODEL, method="full", task=None)
    response = await client.post("/v1/generations", json={"model": full, "prompt": "a fox"})
    assert response.status_code == 202, response.text
    assert (response.json()["request"]["model"], response.json()["request"]["num_inference_steps"]) == (full, 20)
    assert_error(await predicted(client, full), 422, "unsupported_model", "model")


async def test_maps_that_begin_at_noise_take_more_steps(
    client: httpx.AsyncClient, connection: StoreConnection, player: Player, unet: Path
) -> None:
    model = await taught(
        connection, player.artifacts, unet, model=MODEL, objective="diffusion", task="normals", resolution=128
    )
    assert (await predicted(client, model)).json()["request"]["num_inference_steps"] == 10
    assert (await predicted(client, model, num_inference_steps=3)).status_code == 202
    job = (await predicted(client, model)).json()
    branch = {"branch_from": {"job": job["id"], "step": 2}, "guidance_scale": 1.0}
    assert (await client.post("/v1/generations", json=branch)).status_code != 404, "the job's own model is found"
