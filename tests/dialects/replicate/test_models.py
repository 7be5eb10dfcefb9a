"""Models and their versions, as Replicate's clients look for them, in the answers that all clients share."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import replicate
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from replicate.exceptions import ReplicateError
from replicate.run import _has_output_iterator_array_type

from app.model_versions import find_model, owner_and_name, schema_of, version_id
from app.settings import AppSettings
from contract.catalogue import Catalogue, ModelSpec, read_catalogue
from contract.errors import UnknownModel
from contract.request import GenerationRequest
from contract.rows import HubSource, LocalSource
from tests.app.conftest import CATALOGUE, client_of
from tests.dialects.replicate.conftest import MODEL, NAME

VERSIONS = "GET /v1/models/{owner}/{name}/versions"

ROW = read_catalogue(CATALOGUE).models[0]
SLASHED = ROW.model_copy(update={"id": "stabilityai/sdxl", "owned_by": "Stability AI"})
SHADOWED = ROW.model_copy(update={"id": "sdxl", "owned_by": "stabilityai"})


def catalogue(*specs: ModelSpec) -> Catalogue:
    return Catalogue(default_model=specs[0].id, models=specs)


async def test_one_list_serves_all_clients(client: httpx.AsyncClient, local: replicate.Client) -> None:
    listed = (await client.get("/v1/models")).json()
    assert (listed["object"], [row["id"] for row in listed["data"]]) == ("list", [MODEL])
    page = await local.models.async_list()
    (model,) = page
    assert (model.id, model.owner, model.name, model.latest_version) == (NAME, "safelight", MODEL, None)
    assert (page.next, page.previous) == (None, None)
    assert (await client.get(model.url)).json()["id"] == MODEL


async def test_one_answer_serves_all_clients(client: httpx.AsyncClient, local: replicate.Client) -> None:
    by_id, by_name = [(await client.get(f"/v1/models/{name}")).json() for name in (MODEL, NAME)]
    assert by_id == by_name
    assert by_id.items() >= {"id": MODEL, "object": "model", "owned_by": "safelight"}.items()
    model = await local.models.async_get(NAME)
    assert (model.id, model.visibility, model.run_count) == (NAME, "public", 0)
    assert model.latest_version is not None
    assert model.latest_version.id == version_id(ROW)


async def test_a_model_that_is_not_there_is_an_error_that_all_clients_read(
    client: httpx.AsyncClient, local: replicate.Client
) -> None:
    with pytest.raises(ReplicateError, match="There is no model 'safelight/nope'") as raised:
        await local.models.async_get("safelight/nope")
    assert (raised.value.status, raised.value.title) == (404, "Not Found")
    error = (await client.get("/v1/models/safelight/nope")).json()["error"]
    assert (error["code"], error["field"]) == ("unknown_model", "model")


@pytest.mark.compat(VERSIONS, "-", "exact", "one version: the model's row of the catalogue")
@pytest.mark.compat(f"{VERSIONS}/{{version_id}}", "-", "exact", "the version of this id")
async def test_a_model_has_one_version(local: replicate.Client) -> None:
    versions = (await local.models.async_get(NAME)).versions
    (version,) = await versions.async_list()
    assert version == await versions.async_get(version.id)
    assert int(version.created_at.timestamp()) == ROW.created
    with pytest.raises(ReplicateError, match="has one version") as raised:
        await versions.async_get("0" * 64)
    assert raised.value.status == 404


async def test_an_output_is_a_list_and_no_iterator(local: replicate.Client) -> None:
    """Pictures may be finished in any order, so what comes first is no beginning of what comes in the end."""
    (version,) = await (await local.models.async_get(NAME)).versions.async_list()
    assert version.openapi_schema["components"]["schemas"]["Output"] == {
        "title": "Output",
        "type": "array",
        "items": {"type": "string", "format": "uri"},
    }
    assert not _has_output_iterator_array_type(version)


def test_the_schema_is_that_of_our_request_with_the_models_limits() -> None:
    schema = schema_of(ROW)
    taken = schema["components"]["schemas"]["Input"]
    assert set(taken["properties"]) == set(GenerationRequest.model_fields) - {"model"}
    assert [part["x-order"] for part in taken["properties"].values()] == sorted(
        part["x-order"] for part in taken["properties"].values()
    )
    validator = Draft202012Validator(taken | {"components": schema["components"]})
    validator.check_schema(taken)
    defaults = {name: part["default"] for name, part in taken["properties"].items() if "default" in part}
    assert defaults.items() >= ROW.defaults.model_dump().items()
    validator.validate({"prompt": "a fox"} | defaults)
    limits = ROW.limits
    for name, value in (
        ("height", limits.max_size + limits.size_multiple),
        ("width", limits.min_size + 1),
        ("num_inference_steps", limits.max_num_inference_steps + 1),
        ("guidance_scale", limits.max_guidance_scale + 1),
        ("scheduler", "lcm"),
        ("seed", -1),
        ("steps", 1),
    ):
        with pytest.raises(ValidationError):
            validator.validate({name: value})


async def test_what_the_schema_takes_is_taken(client: httpx.AsyncClient) -> None:
    version = (await client.get(f"/v1/models/{NAME}/versions")).json()["results"][0]
    taken = version["openapi_schema"]["components"]["schemas"]["Input"]["properties"]
    defaults = {name: part["default"] for name, part in taken.items() if "default" in part}
    body: dict[str, Any] = {"version": version["id"], "input": defaults | {"prompt": "a fox", "seed": 7}}
    # The weight has two names, of which a request may say one.
    del body["input"]["guidance"]
    assert (await client.post("/v1/predictions", json=body)).status_code == 201


def test_a_version_is_a_row() -> None:
    moved = ROW.model_copy(update={"source": LocalSource(path=Path("/elsewhere") / "safelight-emoji")})
    assert version_id(moved) == version_id(ROW)
    hub = HubSource(hub="safelight/emoji", revision="0123456")
    others = [
        ROW.model_copy(update={"source": hub}),
        ROW.model_copy(update={"source": hub.model_copy(update={"revision": "0123457"})}),
        ROW.model_copy(update={"schedulers": ROW.schedulers[:1]}),
        SLASHED,
    ]
    assert len({version_id(spec) for spec in (ROW, *others)}) == 1 + len(others)


def test_models_with_a_slash_are_named_by_their_ids() -> None:
    both = catalogue(SHADOWED, SLASHED)
    assert [owner_and_name(spec) for spec in both.models] == [("stabilityai", "sdxl")] * 2
    assert find_model(both, "stabilityai/sdxl", field="model") == SLASHED
    assert find_model(both, "sdxl", field="model") == SHADOWED
    assert find_model(catalogue(SHADOWED), "stabilityai/sdxl", field="model") == SHADOWED
    with pytest.raises(UnknownModel):
        find_model(both, "Stability AI/stabilityai/sdxl", field="model")


async def test_paths_take_ids_with_slashes(settings: AppSettings, tmp_path: Path) -> None:
    rows = tmp_path / "models.toml"
    text = CATALOGUE.read_text().replace('"safelight-emoji"', '"deep/in/a-folder"')
    rows.write_text(text.replace('"models/', f'"{CATALOGUE.parent}/models/'))
    async with client_of(settings.model_copy(update={"catalogue": rows})) as client:
        (model,) = (await client.get("/v1/models")).json()["results"]
        path = f"/v1/models/{model['owner']}/{model['name']}"
        assert (await client.get(path)).json()["id"] == "deep/in/a-folder"
        (version,) = (await client.get(f"{path}/versions")).json()["results"]
        assert (await client.get(f"{path}/versions/{version['id']}")).json() == version
        made = await client.post(f"{path}/predictions", json={"input": {"prompt": "a fox"}})
        assert (made.status_code, made.json()["model"]) == (201, "deep/in/a-folder")
        read = (await client.get(made.json()["urls"]["get"])).json()
        assert (read["model"], read["version"]) == ("deep/in/a-folder", version["id"])


async def test_a_prediction_outlives_its_model(settings: AppSettings, tmp_path: Path) -> None:
    rows = tmp_path / "models.toml"
    rows.write_text(CATALOGUE.read_text().replace('"safelight-emoji"', '"other"'))
    async with client_of(settings) as before, client_of(settings.model_copy(update={"catalogue": rows})) as after:
        made = await before.post("/v1/predictions", json={"version": MODEL, "input": {"prompt": "a fox"}})
        read = (await after.get(f"/v1/predictions/{made.json()['id']}")).json()
        assert (read["model"], read["version"]) == (MODEL, "")


@pytest.mark.compat("GET /v1/account", "-", "mapped", "the tenant whose jobs and files a client sees")
async def test_an_account_is_shown(local: replicate.Client) -> None:
    account = await local.accounts.async_current()
    assert (account.type, account.username) == ("user", "public")
