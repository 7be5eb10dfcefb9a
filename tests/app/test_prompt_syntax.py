"""A prompt that cannot be read is refused when it is sent, by the name of its field."""

from pathlib import Path

import httpx
import pytest

from app.settings import AppSettings
from contract.job_store import JobStore
from tests.app.conftest import BODY, CATALOGUE, assert_error, client_of

WEIGHTED = BODY | {"prompt_syntax": "weighted"}


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
@pytest.mark.parametrize("prompt", ["a (cat:11)", "a (cat:nan)", "[cat:dog:0.5]", "cat AND dog", "((((cat:9))))"])
async def test_a_malformed_prompt_is_named(
    client: httpx.AsyncClient, job_store: JobStore, field: str, prompt: str
) -> None:
    assert_error(await client.post("/v1/generations", json=WEIGHTED | {field: prompt}), 422, "malformed_prompt", field)
    assert (await job_store.counts())["queued"] == 0


@pytest.mark.parametrize("syntax", ["compel", "", None, True])
async def test_an_unknown_syntax_is_named(client: httpx.AsyncClient, syntax: object) -> None:
    response = await client.post("/v1/generations", json=BODY | {"prompt_syntax": syntax})
    assert_error(response, 422, "invalid_request", "prompt_syntax")


async def test_brackets_in_plain_prompts_are_text(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/generations", json=BODY | {"prompt": "a (cat:nan) [of:AND|"})
    assert response.status_code == 202
    assert response.json()["request"]["prompt_syntax"] == "plain"


async def test_the_job_says_how_its_prompts_are_read(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/generations", json=WEIGHTED | {"prompt": "a (cat:1.3)"})
    assert response.status_code == 202
    assert response.json()["request"]["prompt_syntax"] == "weighted"


@pytest.mark.parametrize("family", ["stable_diffusion_3", "flux", "diffusers"])
async def test_families_without_weights_say_so(settings: AppSettings, tmp_path: Path, family: str) -> None:
    models, _, _ = CATALOGUE.read_text().partition("[[adapters]]")
    rows = models.replace('family = "stable_diffusion"', f'family = "{family}"', 1)
    (tmp_path / "models.toml").write_text(rows)
    async with client_of(settings.model_copy(update={"catalogue": tmp_path / "models.toml"})) as client:
        assert (await client.post("/v1/generations", json=BODY)).status_code == 202
        response = await client.post("/v1/generations", json=WEIGHTED)
        assert_error(response, 422, "unsupported_prompt_syntax", "prompt_syntax")
