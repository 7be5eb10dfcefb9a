"""`python -m app.keys` as operators call it, and what API processes say at their start."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from contract.key_texts import KeyText
from tests.app.conftest import ROOT, StartApi
from tests.app.keys import bearer
from tests.waiting import wait_until

Run = subprocess.CompletedProcess[str]


@pytest.fixture
def environment(store_url: str) -> dict[str, str]:
    return os.environ | {"SAFELIGHT_REDIS_URL": store_url, "SAFELIGHT_PORT": "0"}


def keys(environment: dict[str, str], *words: str) -> Run:
    command = [sys.executable, "-m", "app.keys", *words]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=30)


def test_a_key_is_made_listed_rotated_and_revoked(environment: dict[str, str]) -> None:
    granted = ("--tenant", "acme", "--scopes", "read", "--expires-in", "30d", "--note", "laptop")
    made = keys(environment, "create", *granted)
    text = KeyText.read(made.stdout.strip())
    assert text is not None, "standard output is the key and nothing else"
    assert text.secret not in made.stderr
    rotated = keys(environment, "rotate", text.id, "--overlap", "0s")
    successor = KeyText.read(rotated.stdout.strip())
    assert successor is not None
    assert keys(environment, "revoke", successor.id).returncode == 0
    listed = keys(environment, "list").stdout
    lines = {line.split()[0]: line for line in listed.splitlines()}
    assert ("expired" in lines[text.id], "revoked" in lines[successor.id]) == (True, True)
    assert all(word in lines[text.id] for word in ("acme", "read", "laptop"))
    for secret in (text.secret, successor.secret):
        assert secret not in listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "--tenant", "Not Plain"), "tenant"),
        (("create", "--tenant", "acme", "--scopes", "root"), "scopes"),
        (("create", "--tenant", "acme", "--expires-in", "soon"), "not a time"),
        (("create",), "--tenant"),
        (("revoke", "0123456789ab"), "There is no key"),
        (("rotate", "0123456789ab"), "There is no key"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(environment: dict[str, str], words: tuple[str, ...], said: str) -> None:
    run = keys(environment, *words)
    assert run.returncode != 0
    assert said in run.stderr
    assert "Traceback" not in run.stderr
    assert run.stdout == ""


def test_a_store_that_is_away_is_said_in_a_line(environment: dict[str, str]) -> None:
    run = keys(environment | {"SAFELIGHT_REDIS_URL": "unix:///nowhere.sock"}, "list")
    assert run.returncode != 0
    assert "cannot be reached" in run.stderr
    assert "Traceback" not in run.stderr


def test_an_address_that_others_reach_wants_a_key(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "app"]
    public = environment | {"SAFELIGHT_HOST": "0.0.0.0"}
    refused = subprocess.run(command, cwd=ROOT, env=public, capture_output=True, text=True, check=False, timeout=30)
    assert refused.returncode == 1
    assert refused.stderr.startswith("safelight: Other machines can reach 0.0.0.0, and there is no API key.")


def test_with_a_key_the_service_may_be_public(environment: dict[str, str], tmp_path: Path) -> None:
    """127.1 is this machine's own, in a form that is not known to be: so nothing here listens to others."""
    assert keys(environment, "create", "--tenant", "acme").returncode == 0
    log = tmp_path / "log"
    public = environment | {"SAFELIGHT_HOST": "127.1"}
    command = [sys.executable, "-m", "app"]
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, env=public, stderr=output) as process:
        wait_until(lambda: "running on" in log.read_text() or process.poll(), 30, log.read_text)
        process.terminate()
    assert "running on" in log.read_text()
    assert "no API key" not in log.read_text()


def test_that_there_is_no_key_is_said_in_a_line_and_no_key_is_ever_said(
    start: StartApi, environment: dict[str, str]
) -> None:
    api = start()
    assert "There is no API key: whoever reaches 127.0.0.1 may do everything" in api.log.read_text()
    key = keys(environment, "create", "--tenant", "acme").stdout.strip()
    wait_until(lambda: httpx.get(f"{api.url}/v1/jobs").status_code == 401, 5)
    assert httpx.get(f"{api.url}/v1/jobs", headers=bearer(key)).status_code == 200
    assert httpx.get(f"{api.url}/v1/jobs?key={key}", auth=("user", key)).status_code == 422
    api.stop()
    log = api.log.read_text()
    assert "GET /v1/jobs 200" in log
    assert key[-40:] not in log
