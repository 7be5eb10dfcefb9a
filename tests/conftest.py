"""What all tests share: a private store on a unix socket, requests to put into it, and the whole service as shipped."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from contract.request import CompleteRequest
from launch.embedded_store import server_command
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.system.launched import Launched

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def store_socket() -> Iterator[Path]:
    """The store that most tests share."""
    yield from running_store()


def running_store() -> Iterator[Path]:
    """A server of our own configuration, in a folder with a short name (unix sockets allow some 100 characters)."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        socket = Path(folder) / "store" / "valkey.sock"
        with subprocess.Popen(server_command(socket), stdout=subprocess.DEVNULL) as server:
            wait_until(socket.exists, 10)
            yield socket
            server.terminate()


@pytest.fixture
def store_url(store_socket: Path) -> Iterator[str]:
    """The URL of the private store, empty at the start of each test."""
    url = f"unix://{store_socket}"
    with Redis.from_url(url) as redis:
        redis.flushall()
        yield url


@pytest.fixture(scope="session")
def tiny_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with one tiny model."""
    from tests.tiny_catalogue import build_catalogue

    return build_catalogue(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="session")
def service() -> Iterator["Launched"]:
    """The service with the embedded model, met as one client among others. All tests share it and its jobs; its
    webhooks reach this machine.
    """
    from tests.system.installation import ROOT
    from tests.system.launched import launch

    yield from launch(ROOT / "models.toml", SAFELIGHT_WEBHOOK_NETWORKS="127.0.0.0/8")


def complete_request(**changes: object) -> CompleteRequest:
    """A small complete request, with these changes."""
    fields = {
        "prompt": "a red apple",
        "model": "tiny",
        "height": 64,
        "width": 64,
        "num_inference_steps": 4,
        "guidance_scale": 3.0,
        "scheduler": "euler",
        "seed": 7,
    }
    return CompleteRequest.model_validate(fields | changes)
