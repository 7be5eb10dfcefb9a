"""An upgrade as docs/operations.md says it: one process after the other is replaced, and nobody notices."""

import asyncio
import socket
import sys

import httpx
import psutil
import pytest

from tests.s3_stores import free_port
from tests.system.installation import Installation
from tests.waiting import wait_until_async

ASKED = {"prompt": "a red apple", "num_inference_steps": 150, "height": 64, "width": 64}


@pytest.mark.timeout(240)
async def test_a_rolling_restart_loses_nothing_and_counts_no_attempt(installation: Installation) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def start_api() -> psutil.Process:
            fd = listener.fileno()
            return installation.start(sys.executable, "-m", "app", "--fd", str(fd), fds=(fd,))

        old_api, old_worker = start_api(), installation.start_worker(SAFELIGHT_DRAIN_SECONDS="0.2")
        async with httpx.AsyncClient(base_url=address, timeout=30) as client:
            # The new ones are there before the old ones are asked to go.
            start_api()
            installation.start_worker()
            await wait_until_async(lambda: has_workers(client, 2), 90)
            calling = asyncio.create_task(call_until_cancelled(address))
            answers = [await client.post("/v1/generations", json=ASKED | {"seed": seed}) for seed in range(6)]
            ids = [answer.json()["id"] for answer in answers]
            await wait_until_async(lambda: are_running(client, 3), 30)
            for process in (old_worker, old_api):
                process.terminate()
                await wait_until_async(lambda process=process: has_ended(process), 30)
            jobs = [await installation.until(one, "succeeded", timeout_seconds=120) for one in ids]
            calling.cancel()
    assert [job.attempt for job in jobs] == [1] * len(jobs)
    assert (await asyncio.gather(calling, return_exceptions=True)) == [None]
    await installation.disconnect()


async def test_a_closing_api_answers_who_has_come_and_not_yet_asked(installation: Installation) -> None:
    port = free_port()
    api = installation.start(sys.executable, "-m", "app", SAFELIGHT_PORT=str(port))
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        await wait_until_async(lambda: answers(client), 60)
        with socket.create_connection(("127.0.0.1", port), timeout=30) as newcomer:
            # Connections are accepted in the order in which they come.
            async with httpx.AsyncClient(base_url=client.base_url) as later:
                assert await answers(later)
            api.terminate()
            await wait_until_async(lambda: refuses_connections(port), 30)
            newcomer.sendall(b"GET /healthz HTTP/1.1\r\nHost: safelight\r\n\r\n")
            assert newcomer.recv(1024).startswith(b"HTTP/1.1 200 OK")


async def answers(client: httpx.AsyncClient) -> bool:
    try:
        return (await client.get("/healthz")).status_code == 200
    except httpx.TransportError:
        return False


async def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=30).close()
    except ConnectionRefusedError:
        return True
    return False


async def has_workers(client: httpx.AsyncClient, number: int) -> bool:
    try:
        answer = await client.get("/readyz")
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json()["num_workers"] >= number


async def are_running(client: httpx.AsyncClient, number: int) -> bool:
    return len((await client.get("/v1/jobs?status=running")).json()["data"]) >= number


async def call_until_cancelled(address: str) -> None:
    """Somebody who calls again and again, each time anew, and is always answered."""
    try:
        while True:
            async with httpx.AsyncClient(base_url=address) as client:
                (await client.get("/v1/jobs")).raise_for_status()
    except asyncio.CancelledError:
        return


async def has_ended(process: psutil.Process) -> bool:
    return process.status() == psutil.STATUS_ZOMBIE
