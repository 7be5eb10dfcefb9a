"""S3-compatible stores on loopback: one whose conditions are those of S3, and one that judges signatures."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from contract.artifact_store import ArtifactStore
from tests.waiting import wait_until

BUCKET = "pictures"
KEY_ID, SECRET = "an-access-key", "a-secret-that-nobody-guesses"
RCLONE = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


@dataclass
class S3Process:
    """A server that can be ended and started again at its address. Its bucket is there when it answers."""

    command: tuple[str, ...]
    port: int
    process: subprocess.Popen[bytes] | None = None
    location: str = f"s3://{BUCKET}/safelight"
    secret: str = field(default=SECRET, repr=False)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """What leads a process to it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": self.secret,
        }

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 30)

    def kill(self) -> None:
        """Ends it without a warning."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def store(self, monkeypatch: pytest.MonkeyPatch, **changes: str) -> ArtifactStore:
        """The store, as a process finds it in its environment."""
        for name, value in (self.environment | changes).items():
            monkeypatch.setenv(name, value)
        return ArtifactStore(self.location)

    def _answers(self) -> bool:
        try:
            return httpx.get(self.endpoint).status_code < 500
        except httpx.TransportError:
            return False


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def moto() -> Iterator[S3Process]:
    """A server that keeps S3's conditions, and lets everybody in."""
    port = free_port()
    server = S3Process((sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)), port)
    server.start()
    httpx.put(f"{server.endpoint}/{BUCKET}").raise_for_status()
    yield server
    server.kill()


def rclone(folder: Path) -> Iterator[S3Process]:
    """A server that judges signatures, over a folder that outlives it."""
    if RCLONE is None:
        pytest.skip("rclone is not there")
    (folder / BUCKET).mkdir()
    port = free_port()
    keys = ("--auth-key", f"{KEY_ID},{SECRET}", "--config", os.devnull)
    server = S3Process((RCLONE, "serve", "s3", "--addr", f"127.0.0.1:{port}", *keys, str(folder)), port)
    server.start()
    yield server
    server.kill()
