"""The store with the users that are shipped: the service works on it, and each half may do no more than it has to."""

import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from launch.embedded_store import find_server, server_command
from tests.pictures import encoded, gradient
from tests.receivers import OK, receiving
from tests.system.installation import ROOT, Installation, kill
from tests.waiting import wait_until, wait_until_async

PASSWORDS = {"APP_PASSWORD": "of-the-app", "WORKER_PASSWORD": "of-the-worker"}


def guarded_command(socket: Path) -> list[str]:
    """The command of a server whose users are those that are shipped."""
    users = (ROOT / "launch" / "store-users.acl").read_text()
    for name, password in PASSWORDS.items():
        users = users.replace(name, password)
    command = server_command(socket)
    (socket.parent / "users.acl").write_text(users)
    return [*command, "--aclfile", str(socket.parent / "users.acl")]


def composed_command(socket: Path) -> list[str]:
    """The command of the store as `docker-compose.yml` has it, but for places."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    script = str(compose["services"]["redis"]["command"][2])
    places = {
        "$$": "$",
        "/safelight/store-users.acl": str(ROOT / "launch" / "store-users.acl"),
        "/tmp/users.acl": str(socket.parent / "composed.acl"),
        "docker-entrypoint.sh redis-server": f"{find_server()} --port 0 --unixsocket {socket} --dir {socket.parent}",
    }
    for there, here in places.items():
        assert there in script
        script = script.replace(there, here)
    return ["sh", "-c", script]


def url_of(user: str, socket: Path) -> str:
    return f"unix://{user}:{PASSWORDS[f'{user.upper()}_PASSWORD']}@{socket}"


class Guarded:
    """The service in its parts, each with its own user of the store."""

    def __init__(self, home: Path, catalogue: Path) -> None:
        self.installation = Installation(home, catalogue)
        self.socket = self.installation.socket
        self.installation.start(*guarded_command(self.socket))
        wait_until(self.socket.exists, 10)

    def start_worker(self, **settings: str) -> psutil.Process:
        settings = {"SAFELIGHT_LEASE_SECONDS": "2"} | settings
        return self.installation.start_worker(SAFELIGHT_REDIS_URL=url_of("worker", self.socket), **settings)

    def start_app(self) -> str:
        """The address of an API process."""
        log = self.installation.log
        self.installation.start(
            sys.executable,
            "-m",
            "app",
            SAFELIGHT_REDIS_URL=url_of("app", self.socket),
            SAFELIGHT_PORT="0",
            SAFELIGHT_WEBHOOK_NETWORKS="127.0.0.0/8",
        )
        return "http://127.0.0.1:" + wait_until(lambda: _port(log.read_text()), 30, log.read_text)

    def make_key(self) -> str:
        """A key of the operator's command."""
        environment = self.installation.environment | {"SAFELIGHT_REDIS_URL": url_of("app", self.socket)}
        command = [sys.executable, "-m", "app.keys", "create", "--tenant", "acme"]
        run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return run.stdout.strip()


def _port(log: str) -> str:
    return log.partition("running on http://127.0.0.1:")[2].partition(" ")[0]


@pytest.fixture(scope="module")
def guarded(tiny_catalogue: Path) -> Iterator[Guarded]:
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        guarded = Guarded(Path(folder), tiny_catalogue)
        yield guarded
        guarded.installation.end()


@pytest.fixture
async def client(guarded: Guarded) -> AsyncIterator[httpx.AsyncClient]:
    address = guarded.start_app()
    headers = {"authorization": f"Bearer {guarded.make_key()}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=60) as client:
        yield client


async def until(client: httpx.AsyncClient, job_id: str, status: str) -> Any:
    async def job() -> Any:
        found = (await client.get(f"/v1/jobs/{job_id}")).json()
        return found if found["status"] == status else None

    return await wait_until_async(job, 60)


async def test_the_whole_service_works_with_them(guarded: Guarded, client: httpx.AsyncClient) -> None:
    """Pictures, files, webhooks, events, cancelling, removing, and taking back what a worker leaves behind."""
    worker = guarded.start_worker()
    async with receiving(OK) as receiver:
        body = {"prompt": "a fox", "webhook": {"url": receiver.url}}
        made = await client.post("/v1/generations", json=body, headers={"Prefer": "wait=60"})
        assert made.json()["status"] == "succeeded", guarded.installation.log.read_text()
        (told, *_) = await receiver.received(1)
        assert told.told["data"]["id"] == made.json()["id"]
    picture = await client.get(made.json()["images"][0]["url"])
    sent = await client.post("/v1/files", files={"file": picture.content})
    edited = await client.post(
        "/v1/generations",
        json={"prompt": "a fox", "image": sent.json()["id"], "strength": 0.5},
        headers={"Prefer": "wait=60", "Idempotency-Key": "once"},
    )
    assert edited.json()["status"] == "succeeded", edited.text
    assert (await client.delete(f"/v1/files/{sent.json()['id']}")).status_code == 204
    assert (await client.delete(f"/v1/jobs/{edited.json()['id']}")).status_code == 204

    await teaches(guarded, client)
    long = {"prompt": "a fox", "num_inference_steps": 5000}
    cancelled = (await client.post("/v1/generations", json=long)).json()["id"]
    await until(client, cancelled, "running")
    assert (await client.post(f"/v1/jobs/{cancelled}/cancel")).is_success
    await until(client, cancelled, "cancelled")

    lost = (await client.post("/v1/generations", json=long | {"num_inference_steps": 300})).json()["id"]
    await until(client, lost, "running")
    kill(worker)
    guarded.start_worker()
    assert (await until(client, lost, "succeeded"))["attempt"] == 2
    assert (await client.get("/readyz")).status_code == 200
    log = guarded.installation.log.read_text()
    assert "No permissions" not in log
    assert "NOPERM" not in log
    assert "RQ's registries are not up to date" not in log


async def teaches(guarded: Guarded, client: httpx.AsyncClient) -> None:
    """A model is taught a picture, over HTTP, and what it has learnt makes another."""
    url = url_of("worker", guarded.socket)
    guarded.installation.start(sys.executable, "-m", "worker.fine_tuning", SAFELIGHT_REDIS_URL=url)
    files = [("files", ("a.png", encoded(gradient(64, 64)))), ("files", ("a.txt", b"a thing"))]
    dataset = (await client.post("/v1/datasets", files=files)).json()["id"]
    asked = {"dataset": dataset, "method": "lora", "trigger": "zorbling", "steps": 4, "checkpoint_every": 2, "rank": 2}
    job_id = (await client.post("/v1/fine-tunes", json=asked)).json()["id"]
    events = (await client.get(f"/v1/fine-tunes/{job_id}/events")).text
    assert "event: succeeded" in events, guarded.installation.log.read_text()
    body = {"prompt": "zorbling", "adapters": [{"id": job_id}]}
    made = await client.post("/v1/generations", json=body, headers={"Prefer": "wait=60"})
    assert made.json()["status"] == "succeeded", made.text
    assert (await client.delete(f"/v1/jobs/{made.json()['id']}")).status_code == 204
    assert (await client.delete(f"/v1/fine-tunes/{job_id}")).status_code == 204
    assert (await client.delete(f"/v1/datasets/{dataset}")).status_code == 204


FOREIGN = ("rq:queue:other", "somebody:else", "safelight")

ADMINISTRATION = (
    "CONFIG GET *",
    "CONFIG SET appendonly no",
    "FLUSHALL",
    "FLUSHDB",
    "KEYS *",
    "SCAN 0",
    "MODULE LIST",
    "SCRIPT FLUSH",
    "SCRIPT KILL",
    "FUNCTION FLUSH",
    "ACL WHOAMI",
    "ACL SETUSER app +@all",
    "SHUTDOWN NOSAVE",
    "REPLICAOF 127.0.0.1 1",
    "MONITOR",
    "SAVE",
    "CLIENT LIST",
    "CLIENT KILL TYPE normal",
    "SWAPDB 0 0",
    "DUMP safelight:sequence",
    "MIGRATE 127.0.0.1 1 safelight:sequence 0 1",
    "RENAME safelight:sequence safelight:work",
    "EVAL return 0",
    "RANDOMKEY",
    "SORT safelight:jobs",
    "SUBSCRIBE somebody:else",
    "PUBLISH somebody:else x",
)

APART = {
    "app": ("INFO", "BLMOVE rq:queue:generations rq:queue:generations LEFT LEFT 1", "HGETALL rq:worker:w"),
    "worker": (
        "HGETALL safelight:keys",
        "HSET safelight:keys k {}",
        "INCR safelight:keys:version",
        "HGETALL safelight:signing",
        "HGETALL safelight:webhook_secret:x",
        "DEL safelight:bucket:x",
        "GET safelight:notes:x",
    ),
}


@pytest.mark.parametrize("user", APART)
def test_each_half_may_do_nothing_else(guarded: Guarded, user: str) -> None:
    foreign = [f"{verb} {key}" for key in FOREIGN for verb in ("GET", "DEL", "HGETALL", "LRANGE")]
    with Redis.from_url(url_of(user, guarded.socket)) as redis:
        assert redis.ping()
        for command in [*ADMINISTRATION, *foreign, *APART[user]]:
            words = command.split()
            words += {"EVAL": ["0"], "LRANGE": ["0", "-1"]}.get(words[0], [])
            with pytest.raises(NoPermissionError):
                redis.execute_command(*words)


@pytest.mark.parametrize("user", APART)
def test_a_script_may_do_no_more_than_its_user(guarded: Guarded, user: str) -> None:
    with Redis.from_url(url_of(user, guarded.socket)) as redis:
        for call in ("redis.call('FLUSHALL')", "redis.call('GET', 'somebody:else')", "redis.call('KEYS', '*')"):
            script = redis.register_script(f"return {call}")
            with pytest.raises(ResponseError, match="ACL failure in script"):
                script()


def test_nobody_comes_in_without_a_password(guarded: Guarded) -> None:
    with Redis(unix_socket_path=str(guarded.socket)) as redis:
        assert redis.ping(), "a health check needs no secret"
        for command in ("GET safelight:sequence", "HGETALL safelight:keys", "INFO", "LLEN rq:queue:generations"):
            with pytest.raises(NoPermissionError):
                redis.execute_command(*command.split())
    with Redis.from_url(f"unix://app:guessed@{guarded.socket}") as redis, pytest.raises(AuthenticationError):
        redis.ping()


def test_compose_starts_the_store_with_them() -> None:
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        socket = Path(folder) / "s"
        environment = os.environ | PASSWORDS
        with subprocess.Popen(composed_command(socket), env=environment, stdout=subprocess.DEVNULL) as server:
            wait_until(socket.exists, 10)
            for user in APART:
                with Redis.from_url(url_of(user, socket)) as redis:
                    assert redis.ping()
                    with pytest.raises(NoPermissionError):
                        redis.flushall()
            server.terminate()
