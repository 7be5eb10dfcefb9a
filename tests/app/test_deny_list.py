"""Prompts that the operator does not want are refused, however they are spelt and in whatever dialect they come."""

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from app.deny_list import DenyList, plain
from app.settings import AppSettings
from contract.settings import SettingError
from tests.app.conftest import CATALOGUE, ROOT, assert_error, client_of

LIST = """
# what we do not draw
durian
Straße nach Süden
/stink(y|ing) fruit/
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "deny.txt"
    path.write_text(LIST)
    return path


@pytest.fixture
async def client(settings: AppSettings, file: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(settings.model_copy(update={"prompt_deny_list": file})) as client:
        yield client


REFUSED = [
    "a durian",
    "A DURIAN!",
    "a dürian",  # an accent more
    "a du\u0301rian",  # the same, composed
    "a du\u200brian",  # nothing in between that could be seen
    "a ｄｕｒｉａｎ",  # wide letters
    "a 𝐝𝐮𝐫𝐢𝐚𝐧",  # letters for formulas
    "durian, on a plate",
    "STRASSE  nach\tsuden",
    "some Stinky Fruit",
]
TAKEN = ["durians", "a red apple", "an endurianced runner", "strasse", "stink fruit"]


@pytest.mark.parametrize("prompt", REFUSED)
async def test_a_word_is_found_however_it_is_spelt(client: httpx.AsyncClient, prompt: str) -> None:
    for field in ("prompt", "negative_prompt"):
        response = await client.post("/v1/generations", json={"prompt": "a tree", field: prompt})
        assert_error(response, 422, "prompt_refused", field)
        said = response.text.casefold()
        assert not any(word in said for word in ("durian", "stra", "stink")), "the list is the operator's"
    assert (await client.get("/v1/jobs")).json()["data"] == []


@pytest.mark.parametrize("prompt", TAKEN)
async def test_other_words_are_taken(client: httpx.AsyncClient, prompt: str) -> None:
    assert (await client.post("/v1/generations", json={"prompt": prompt})).status_code == 202


async def test_brackets_hide_no_word(client: httpx.AsyncClient) -> None:
    asked = {"prompt": "a (du:1.2)[rian]", "prompt_syntax": "weighted"}
    assert_error(await client.post("/v1/generations", json=asked), 422, "prompt_refused", "prompt")
    assert (await client.post("/v1/generations", json={"prompt": "a (du:1.2)[rian]"})).status_code == 202


async def test_a_quote_is_refused_as_the_job_would_be(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/generations?dry_run=true", json={"prompt": "a durian"})
    assert_error(response, 422, "prompt_refused", "prompt")


async def test_each_dialect_says_it_in_its_own_words(client: httpx.AsyncClient) -> None:
    body = {"prompt": "a durian"}
    openai = await client.post("/v1/images/generations", json=body)
    assert (openai.status_code, openai.json()["error"]["code"]) == (400, "prompt_refused")
    assert openai.json()["error"]["param"] == "prompt"
    automatic = await client.post("/sdapi/v1/txt2img", json=body)
    assert (automatic.status_code, automatic.json()["error"]) == (422, "prompt_refused")
    assert automatic.json()["errors"] == "prompt"
    replicate = await client.post("/v1/predictions", json={"version": "safelight-emoji", "input": body})
    assert replicate.status_code == 422
    assert "prompt asks for what this service does not make" in replicate.json()["detail"]
    for response in (openai, automatic, replicate):
        assert "durian" not in response.text


def test_what_is_compared() -> None:
    assert plain("  Ａ  CAFE\u0301 \u200d\n ﬁg ") == "a cafe fig"
    assert plain("赤いリンゴ") == "赤いリンコ", "marks go everywhere alike"


@pytest.mark.parametrize("content", [b"/(/", b"\xff\xfe\xff", "\u0301".encode()])
def test_a_list_that_cannot_be_used_is_refused_at_the_start(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "deny.txt"
    file.write_bytes(content)
    with pytest.raises(SettingError, match=str(file)):
        DenyList.read(file)


def test_an_api_without_its_list_does_not_start(tmp_path: Path, store_socket: Path) -> None:
    environment = {
        "SAFELIGHT_REDIS_URL": f"unix://{store_socket}",
        "SAFELIGHT_CATALOGUE": str(CATALOGUE),
        "SAFELIGHT_HOME": str(tmp_path),
        "SAFELIGHT_PROMPT_DENY_LIST": str(tmp_path / "nowhere.txt"),
    }
    command = [sys.executable, "-m", "app"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 1
    assert f"safelight: {tmp_path / 'nowhere.txt'}, the list of refused prompts, cannot be read" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
async def test_prompts_that_come_on_the_way_are_looked_at_too(client: httpx.AsyncClient, field: str) -> None:
    swap = {"kind": "swap_prompt", field: "a durian"}
    response = await client.post("/v1/generations", json={"prompt": "a tree", "intervene": [swap]})
    assert_error(response, 422, "prompt_refused", f"intervene.0.{field}")
    job = (await client.post("/v1/generations", json={"prompt": "a tree"})).json()["id"]
    branch = {"branch_from": {"job": job, "step": 1}, field: "a durian"}
    assert_error(await client.post("/v1/generations", json=branch), 422, "prompt_refused", field)
