"""`python -m app` as a process: what it imports, what it writes, how it starts and stops."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from pydantic import ValidationError

from app.settings import AppSettings
from contract.store_connection import StoreConnection
from tests.app.conftest import ROOT, StartApi, assert_error
from tests.waiting import wait_until

CANARY = "canary-words"


def test_the_http_side_runs_without_torch() -> None:
    code = "import app.main, sys; assert not {'torch', 'diffusers', 'transformers', 'worker'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


async def test_no_prompt_reaches_the_log_or_the_metrics(
    start: StartApi, store_url: str, connection: StoreConnection
) -> None:
    api = start()
    async with api.client() as client:
        created = await client.post("/v1/generations", json={"prompt": CANARY}, headers={"X-Request-Id": "mine"})
        await client.post("/v1/generations", json={"prompt": CANARY, "num_images": CANARY})
        await client.post("/v1/generations", content=f'{{"prompt": "{CANARY}"')
        await client.get(f"/v1/jobs?status={CANARY}")
        await client.get(f"/{CANARY}?q={CANARY}", headers={"X-Request-Id": f"<{CANARY}>"})
        # A record that cannot be read: an error of ours whose own words would quote the prompt.
        record = f"safelight:job:{created.json()['id']}"
        await connection.redis.hset(record, "request", f'{{"prompt": "{CANARY}", "steps": "{CANARY}"}}')
        broken = await client.get(f"/v1/jobs/{created.json()['id']}")
        assert_error(broken, 500, "internal_error")
        assert CANARY not in broken.text
        assert CANARY not in (await client.get("/metrics")).text
    api.stop()
    log = api.log.read_text()
    assert CANARY not in log
    assert "POST /v1/generations 202" in log
    assert "mine" in log
    assert "ValidationError in request" in log


def test_it_listens_where_the_settings_say(tmp_path: Path) -> None:
    environment = os.environ | {
        "SAFELIGHT_HOME": str(tmp_path),
        "SAFELIGHT_PORT": "0",
        "SAFELIGHT_ROOT_PATH": "/images",
    }
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen([sys.executable, "-m", "app"], cwd=ROOT, env=environment, stderr=output) as process,
    ):
        line = wait_until(lambda: [line for line in log.read_text().splitlines() if "running on" in line], 30)
        url = line[0].rpartition("running on ")[2].split()[0]
        assert httpx.get(f"{url}/").json()["docs"] == f"{url}/images/docs"
        process.terminate()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    environment = os.environ | {"SAFELIGHT_PORT": "seventy"}
    ended = subprocess.run([sys.executable, "-m", "app"], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"port" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_a_missing_catalogue_is_named(tmp_path: Path) -> None:
    environment = os.environ | {"SAFELIGHT_CATALOGUE": str(tmp_path / "none.toml")}
    ended = subprocess.run([sys.executable, "-m", "app"], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert ended.returncode == 1
    assert b"none.toml" in ended.stderr
    assert b"Traceback" not in ended.stderr


def test_every_setting_is_described() -> None:
    assert all(field.description for field in AppSettings.model_fields.values())
    with pytest.raises(ValidationError):
        AppSettings(max_queued_jobs=-1)
