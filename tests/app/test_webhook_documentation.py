"""The receiver that docs/webhooks.md shows does what that page says, and the page's figures are the code's."""

import os
import re
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.settings import AppSettings
from app.webhooks.bodies import MAX_BODY_BYTES
from app.webhooks.courier import MAX_AT_ONE_RECEIVER
from app.webhooks.messenger import MAX_ANSWER_BYTES
from tests.app.conftest import ROOT, submit
from tests.conftest import running_store
from tests.waiting import wait_until, wait_until_async

PAGE = (ROOT / "docs" / "webhooks.md").read_text()


@pytest.fixture(scope="module")
def store_socket() -> Iterator[Path]:
    """A store of these tests' own: API processes of other tests would carry what is in its outbox."""
    yield from running_store()


@dataclass
class Shown:
    """The receiver of the page, in a process."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def start(self, key: str) -> subprocess.Popen[bytes]:
        (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
        command = [sys.executable, "-c", code.replace("8088", str(self.port))]
        with self.log.open("wb") as output:
            environment = os.environ | {"WEBHOOK_SECRET": key}
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        wait_until(lambda: _listens(self.port) or process.poll() is not None, 10, self.log.read_text)
        return process


@pytest.fixture
async def shown(client: httpx.AsyncClient, tmp_path: Path) -> AsyncIterator[Shown]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        shown = Shown(free.getsockname()[1], tmp_path / "log")
    key = (await client.get("/v1/webhooks/secret", params={"url": shown.url})).json()["key"]
    process = shown.start(key)
    yield shown
    process.kill()
    process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_the_receiver_takes_what_is_signed_once_and_nothing_else(client: httpx.AsyncClient, shown: Shown) -> None:
    job_id = await submit(client, webhook={"url": shown.url})
    await client.post(f"/v1/jobs/{job_id}/cancel")
    told = f"generation.cancelled {job_id}\n"

    async def delivered(times: int) -> bool:
        (delivery,) = (await client.get(f"/v1/jobs/{job_id}/deliveries")).json()["data"]
        return [attempt["status_code"] for attempt in delivery["attempts"]] == [204] * times

    await wait_until_async(lambda: delivered(1), 10)
    (delivery,) = (await client.get(f"/v1/jobs/{job_id}/deliveries")).json()["data"]
    await client.post(f"/v1/jobs/{job_id}/deliveries/{delivery['id']}/redeliver")
    await wait_until_async(lambda: delivered(2), 10)
    assert shown.log.read_text().count(told) == 1
    forged = await _post(shown.url, {"webhook-id": "x", "webhook-timestamp": "0", "webhook-signature": "v1,AAAA"})
    assert forged == 401
    assert "Traceback" not in shown.log.read_text()


async def _post(url: str, headers: dict[str, str]) -> int:
    async with httpx.AsyncClient() as client:
        return (await client.post(url, content=b"{}", headers=headers)).status_code


def test_the_figures_are_the_codes() -> None:
    fields = AppSettings.model_fields
    assert f"{MAX_BODY_BYTES:,} bytes" in PAGE
    assert f"{MAX_ANSWER_BYTES // 1024} KiB" in PAGE
    assert f"{fields['webhook_timeout_seconds'].default:.0f} seconds" in PAGE
    assert f"{2 * fields['webhook_timeout_seconds'].default:.0f} seconds" in PAGE
    assert MAX_AT_ONE_RECEIVER == 8
    units = {"s": 1, "min": 60, "h": 3600}
    (row,) = re.findall(r"^\| after \| 0 \| (.*) \|$", PAGE, re.MULTILINE)
    seconds = [int(number) * units[unit] for number, unit in (part.split(" ") for part in row.split(" | "))]
    assert seconds == [int(part) for part in fields["webhook_retries_seconds"].default.split(",")]
    for name in fields:
        if name.startswith("webhook_"):
            assert f"| `SAFELIGHT_{name.upper()}` |" in PAGE
