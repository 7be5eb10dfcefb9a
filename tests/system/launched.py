"""The whole service, started as `make run` starts it."""

import json
import re
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from tests.system.installation import Installation
from tests.waiting import wait_until


class Launched:
    """A running launcher, and HTTP to it."""

    def __init__(self, installation: Installation, workers: int = 1, **settings: str) -> None:
        self.installation = installation
        self._seen = installation.log.stat().st_size if installation.log.exists() else 0
        self.process = installation.start(
            sys.executable, "-m", "launch", SAFELIGHT_PORT="0", SAFELIGHT_WORKERS=str(workers), **settings
        )
        self.address = wait_until(self._announced, 60, self.log)

    def log(self) -> str:
        """What has been printed since the start."""
        return self.installation.log.read_bytes()[self._seen :].decode()

    def _announced(self) -> str | None:
        found = re.search(r"is ready at (http://\S+)", self.log())
        return found.group(1) if found else None

    def call(self, path: str, body: dict[str, object] | None = None, **headers: str) -> Any:
        """The JSON that answers a GET, or a POST if there is a body."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"} | headers
        request = urllib.request.Request(f"{self.address}{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)

    def child_named(self, word: str) -> psutil.Process:
        """The service whose command line ends with this word."""
        return wait_until(
            lambda: next((child for child in self.process.children() if _runs(child, word)), None), 30, self.log
        )


def _runs(process: psutil.Process, module: str) -> bool:
    try:
        return process.cmdline()[1:3] == ["-m", module]
    except psutil.NoSuchProcess:
        return False


def launch(catalogue: Path, workers: int = 1, **settings: str) -> Iterator[Launched]:
    """The whole service in a fresh data directory, with these variables in its environment."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        installation = Installation(Path(folder), catalogue)
        yield Launched(installation, workers, **settings)
        installation.end()
