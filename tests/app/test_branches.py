"""What is refused of interventions and branches before anything runs, and which complete requests come of them."""

from typing import Any

import httpx
import pytest

from contract.architecture import Architecture, Architectures, Block, Part
from contract.store_connection import StoreConnection
from tests.app.conftest import BODY, Player, assert_error, client_of, submit
from tests.app.keys import bearer, make_key

MUTE = {"kind": "mute_token", "token": 2}
SET = {"kind": "set_guidance", "scale": 1.0}
NOISE = {"kind": "add_noise", "strength": 0.5}


async def asked(client: httpx.AsyncClient, *changes: dict[str, Any], **fields: object) -> httpx.Response:
    return await client.post("/v1/generations", json=BODY | fields | {"intervene": changes})


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "unknown kind": ({"kind": "paint"}, "invalid_request", "intervene.0"),
    "unknown field": (MUTE | {"colour": "red"}, "invalid_request", "intervene.0.colour"),
    "no token": ({"kind": "mute_token"}, "invalid_request", "intervene.0.token"),
    "negative token": (MUTE | {"token": -1}, "invalid_request", "intervene.0.token"),
    "endless factor": ({"kind": "scale_token", "token": 2, "factor": 5}, "invalid_request", "intervene.0.factor"),
    "empty range": (MUTE | {"step_from": 5, "step_to": 5}, "invalid_request", "intervene.0.step_to"),
    "backward range": (MUTE | {"step_from": 5, "step_to": 4}, "invalid_request", "intervene.0.step_to"),
    "nothing": (MUTE | {"step_to": 0}, "invalid_request", "intervene.0.step_to"),
    "behind the end": (MUTE | {"step_to": 21}, "limit_exceeded", "intervene.0.step_to"),
    "begins at the end": (MUTE | {"step_from": 20}, "limit_exceeded", "intervene.0.step_from"),
    "no noise": (NOISE | {"strength": 0}, "invalid_request", "intervene.0.strength"),
    "no prompt": ({"kind": "swap_prompt"}, "invalid_request", "intervene.0.prompt"),
    "a block that is no name": ({"kind": "skip_block", "block": "a..b"}, "invalid_request", "intervene.0.block"),
    "far beyond": (SET | {"scale": 31}, "invalid_request", "intervene.0.scale"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_what_is_wrong_is_named(client: httpx.AsyncClient, name: str) -> None:
    change, code, field = WRONG[name]
    assert_error(await asked(client, change), 422, code, field)


async def test_its_place_in_the_list_is_named(client: httpx.AsyncClient) -> None:
    response = await asked(client, MUTE, SET, MUTE | {"step_to": 99}, num_inference_steps=20)
    assert_error(response, 422, "limit_exceeded", "intervene.2.step_to")
    assert_error(await asked(client, *[MUTE] * 17), 422, "invalid_request", "intervene")


async def test_what_does_not_go_together(client: httpx.AsyncClient) -> None:
    projected = {"kind": "adaptive_projected", "scale": 5.0}
    assert_error(await asked(client, SET, guidance=projected), 422, "unsupported_intervention", "intervene.0.kind")
    assert_error(await asked(client, NOISE, scheduler="unipc"), 422, "unsupported_intervention", "intervene.0.kind")
    swap = {"kind": "swap_prompt", "prompt": "a (fox:99)"}
    assert_error(await asked(client, swap, prompt_syntax="weighted"), 422, "malformed_prompt", "intervene.0.prompt")


async def test_what_is_left_open_is_filled_in(client: httpx.AsyncClient) -> None:
    response = await asked(client, MUTE, NOISE | {"step_from": 3, "step_to": 5}, seed=11, num_inference_steps=8)
    first, second = response.json()["request"]["intervene"]
    assert (first["step_from"], first["step_to"]) == (0, 8)
    assert (second["step_from"], second["step_to"], second["seed"]) == (3, 5, 11)


async def test_a_quote_says_what_more_rows_cost(client: httpx.AsyncClient) -> None:
    async def rows(*changes: dict[str, Any], **fields: object) -> int:
        body = BODY | {"num_inference_steps": 10, "intervene": changes} | fields
        quoted = await client.post("/v1/generations", params={"dry_run": True}, json=body)
        return int(quoted.json()["cost"]["network_rows"])

    assert await rows(guidance_scale=1) == await rows(SET, guidance_scale=4) == 10
    assert await rows(SET | {"scale": 4}, guidance_scale=1) == await rows(SET | {"step_from": 5}) == 20
    assert await rows(MUTE) == await rows(NOISE) == 20


async def test_models_say_how_they_can_be_changed(client: httpx.AsyncClient) -> None:
    shown = (await client.get("/v1/models/safelight-emoji")).json()
    assert {"mute_token", "skip_block"} < set(shown["intervention_kinds"])


# ---- branches


async def parent_of(client: httpx.AsyncClient, **fields: object) -> str:
    return await submit(client, **{"num_inference_steps": 10, "seed": 3, "guidance_scale": 4.0} | fields)


async def branch(client: httpx.AsyncClient, job: str, step: int, **fields: object) -> httpx.Response:
    return await client.post("/v1/generations", json={"branch_from": {"job": job, "step": step}, **fields})


async def request_of(client: httpx.AsyncClient, job: str) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get(f"/v1/jobs/{job}")).json()["request"]
    return found


async def test_a_branch_with_nothing_changed_is_its_job_again(client: httpx.AsyncClient) -> None:
    for fields in (
        {"metadata": {"a": "b"}, "output_format": "webp", "output_quality": 80, "num_images": 2},
        {"intervene": [MUTE | {"step_from": 2}, NOISE]},
        {"guidance": [{"kind": "adaptive_projected", "scale": 5.0}], "guidance_scale": None},
    ):
        job = await parent_of(client, **fields)
        made = (await branch(client, job, 4)).json()
        assert made["request"] == await request_of(client, job)
        assert made["branch_from"] == {"job": job, "step": 4}
        again = await branch(client, job, 4, prompt=BODY["prompt"], seed=3, model="safelight-emoji", height=None)
        assert again.json()["request"] == made["request"]
        assert (await client.get(f"/v1/jobs/{made['id']}")).json()["branch_from"] == made["branch_from"]


async def test_what_is_said_holds_from_the_step_on(client: httpx.AsyncClient) -> None:
    job = await parent_of(client, intervene=[MUTE])
    made = (await branch(client, job, 4, prompt="a fox", guidance_scale=1.5, negative_prompt="rain")).json()["request"]
    assert made | {"intervene": []} == (await request_of(client, job)) | {"intervene": []}
    mute, swap, scale = made["intervene"]
    assert (mute["kind"], mute["step_from"], mute["step_to"]) == ("mute_token", 0, 10)
    assert (swap["prompt"], swap["negative_prompt"], swap["step_from"], swap["step_to"]) == ("a fox", "rain", 4, 10)
    assert (scale["kind"], scale["scale"], scale["step_from"]) == ("set_guidance", 1.5, 4)


async def test_interventions_that_are_said_take_the_place_of_the_job_s(client: httpx.AsyncClient) -> None:
    job = await parent_of(client, intervene=[MUTE, NOISE | {"step_from": 6}])
    made = (await branch(client, job, 4, intervene=[MUTE | {"token": 3}])).json()["request"]["intervene"]
    assert [(one["token"], one["step_from"], one["step_to"]) for one in made] == [(2, 0, 4), (3, 4, 10)]
    assert len((await branch(client, job, 4, intervene=[])).json()["request"]["intervene"]) == 1


async def test_a_branch_of_a_branch(client: httpx.AsyncClient) -> None:
    job = await parent_of(client)
    first = (await branch(client, job, 4, prompt="a fox")).json()["id"]
    back = (await branch(client, first, 7, prompt=BODY["prompt"])).json()["request"]["intervene"]
    assert [(one["prompt"], one["step_from"]) for one in back] == [("a fox", 4), (BODY["prompt"], 7)]
    assert len((await branch(client, first, 7, prompt="a fox")).json()["request"]["intervene"]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", "nope"),
        ("height", 64),
        ("num_inference_steps", 11),
        ("seed", 4),
        ("scheduler", "euler"),
        ("num_images", 2),
        ("adapters", [{"id": "gilded"}]),
        ("guidance", {"kind": "cfg_pp", "scale": 0.5}),
    ],
)
async def test_what_cannot_change_on_the_way(client: httpx.AsyncClient, field: str, value: object) -> None:
    response = await branch(client, await parent_of(client), 4, **{field: value})
    assert_error(response, 422, "branch_conflict", field)


async def test_what_is_wrong_with_a_branch_is_named(client: httpx.AsyncClient) -> None:
    job = await parent_of(client, intervene=[MUTE])
    assert_error(await branch(client, job, 10), 422, "limit_exceeded", "branch_from.step")
    assert_error(await branch(client, job, -1), 422, "invalid_request", "branch_from.step")
    assert_error(await branch(client, job, 4, guidance_scale=0.5), 422, "limit_exceeded", "guidance_scale")
    early = await branch(client, job, 4, intervene=[SET, MUTE | {"step_from": 3}])
    assert_error(early, 422, "invalid_request", "intervene.1.step_from")
    late = await branch(client, job, 4, prompt="a fox", intervene=[MUTE | {"step_to": 11}])
    assert_error(late, 422, "limit_exceeded", "intervene.0.step_to")
    many = await branch(client, job, 4, prompt="a fox", intervene=[SET] * 15)
    assert_error(many, 422, "limit_exceeded", "intervene")
    projected = await parent_of(client, guidance={"kind": "adaptive_projected", "scale": 5.0}, guidance_scale=None)
    assert_error(
        await branch(client, projected, 4, guidance_scale=2), 422, "unsupported_intervention", "guidance_scale"
    )
    weighted = await parent_of(client, prompt_syntax="weighted")
    assert_error(await branch(client, weighted, 4, prompt="(fox:99)"), 422, "malformed_prompt", "prompt")


async def test_another_tenants_job_is_none(connection: StoreConnection, settings: Any) -> None:
    acme, rival = await make_key(connection, "acme"), await make_key(connection, "rival")
    async with client_of(settings) as client:
        headers = bearer(acme)
        job = (await client.post("/v1/generations", json=BODY, headers=headers)).json()["id"]
        bodies = [{"branch_from": {"job": one, "step": 1}} for one in (job, f"job_{0:032x}")]
        foreign, missing = [await client.post("/v1/generations", json=body, headers=bearer(rival)) for body in bodies]
        assert_error(foreign, 404, "unknown_job", "branch_from.job")
        assert_error(missing, 404, "unknown_job", "branch_from.job")
        assert foreign.json()["error"]["message"].replace(job, "") == (
            missing.json()["error"]["message"].replace(f"job_{0:032x}", "")
        )
        assert (await client.post("/v1/generations", json=bodies[0], headers=headers)).status_code == 202


async def test_a_call_that_comes_again_is_one_job_even_when_its_parent_is_gone(
    client: httpx.AsyncClient, player: Player
) -> None:
    job = await parent_of(client)
    await player.finish()
    body = {"branch_from": {"job": job, "step": 4}, "prompt": "a fox"}
    headers = {"Idempotency-Key": "branch-1"}
    first = (await client.post("/v1/generations", json=body, headers=headers)).json()["id"]
    assert (await client.delete(f"/v1/jobs/{job}")).status_code == 204
    assert (await client.post("/v1/generations", json=body, headers=headers)).json()["id"] == first
    other = body | {"branch_from": {"job": job, "step": 5}}
    assert (await client.post("/v1/generations", json=other, headers=headers)).status_code == 409


async def test_a_quote_of_a_branch(client: httpx.AsyncClient) -> None:
    job = await parent_of(client)
    body = {"branch_from": {"job": job, "step": 4}, "guidance_scale": 2.0}
    quoted = await client.post("/v1/generations", params={"dry_run": True}, json=body)
    assert quoted.json()["cost"]["network_rows"] == 20, "the steps before are made again"


# ---- architecture


DRAWN = Architecture(
    model="safelight-emoji",
    family="stable_diffusion",
    height=128,
    width=128,
    parts=(
        Part(
            name="denoiser",
            class_name="UNet2DConditionModel",
            num_parameters=3,
            flops=4,
            input={"latents": (4, 8, 8)},
            output=(4, 8, 8),
            blocks=(
                Block(
                    name="mid_block",
                    kind="UNetMidBlock2D",
                    num_parameters=3,
                    flops=4,
                    output_shape=(4, 2, 2),
                    can_skip=True,
                    blocks=(),
                ),
            ),
        ),
    ),
)


async def test_an_architecture_is_what_a_worker_has_said_of_it(
    client: httpx.AsyncClient, connection: StoreConnection
) -> None:
    path = "/v1/models/safelight-emoji/architecture"
    assert_error(await client.get(path), 404, "unmeasured_model", "model")
    assert_error(await client.get("/v1/models/nope/architecture"), 404, "unknown_model", "model")
    await Architectures(connection).report([DRAWN])
    assert (await client.get(path)).json() == DRAWN.model_dump(mode="json")
    assert (await client.get("/v1/models/safelight/safelight-emoji/architecture")).json()["model"] == DRAWN.model
    changed = DRAWN.model_copy(update={"height": 64})
    await Architectures(connection).report([changed])
    assert (await client.get(path)).json()["height"] == 64


async def test_a_block_that_is_known_to_be_none_is_refused_at_once(
    client: httpx.AsyncClient, connection: StoreConnection
) -> None:
    skip = {"kind": "skip_block", "block": "side_block"}
    assert (await asked(client, skip)).status_code == 202, "the worker will find it"
    await Architectures(connection).report([DRAWN])
    assert_error(await asked(client, MUTE, skip), 422, "unsupported_intervention", "intervene.1.block")
    assert (await asked(client, skip | {"block": "mid_block"})).status_code == 202
