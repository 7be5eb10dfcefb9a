"""The whole service under load: started as `make run` starts it, asked over HTTP, its pictures counted as they end."""

import json
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.installation import end, start, until
from bench.one_picture import fetch_json
from contract.request import CompleteRequest

MARGIN = 0.2
"""This share of the pictures at both ends of a run does not count: the device fills up, and runs empty."""


@contextmanager
def served(certificates_of: Path | None = None) -> Iterator[str]:
    """The address of a service of our own, which knows the certificates in a data directory, if one is named."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        if certificates_of is not None:
            (Path(folder) / "certificates").symlink_to(certificates_of / "certificates")
        environment = {"SAFELIGHT_HOME": folder, "SAFELIGHT_PORT": "0", "SAFELIGHT_LOG_LEVEL": "warning"}
        log = Path(folder) / "log.txt"
        launcher = start([sys.executable, "-m", "launch"], environment, log)
        try:
            yield until(lambda: re.search(r"is ready at (http://\S+)", log.read_text()))[1]
        finally:
            end(launcher)


def pictures_per_second(address: str, requests: Sequence[CompleteRequest]) -> float:
    """The rate at which jobs end while there are always others."""
    finished = sorted(datetime.fromisoformat(job["finished_at"]).timestamp() for job in _all_ended(address, requests))
    margin = int(MARGIN * len(finished))
    kept = finished[margin : len(finished) - margin]
    return (len(kept) - 1) / (kept[-1] - kept[0])


def seconds_for(address: str, requests: Sequence[CompleteRequest]) -> float:
    """From the first POST until the bytes of every picture are there."""
    started_at = time.perf_counter()
    for job in _all_ended(address, requests):
        with urllib.request.urlopen(job["images"][0]["url"]) as picture:
            picture.read()
    return time.perf_counter() - started_at


def _all_ended(address: str, requests: Sequence[CompleteRequest]) -> list[Any]:
    """The jobs of requests that are posted at once, as they are when they have ended."""
    jobs = [_post(address, request, wait=len(requests) == 1) for request in requests]
    return [_ended(job) for job in jobs]


def _post(address: str, request: CompleteRequest, *, wait: bool) -> Any:
    headers = {"content-type": "application/json"} | ({"prefer": "wait=60"} if wait else {})
    body = json.dumps(request.model_dump()).encode()
    return fetch_json(urllib.request.Request(f"{address}/v1/generations", body, headers))


def _ended(job: Any) -> Any:
    while job["status"] in ("queued", "running"):
        with urllib.request.urlopen(job["urls"]["events"]) as events:
            events.read()
        job = fetch_json(urllib.request.Request(job["urls"]["self"]))
    if job["status"] != "succeeded":
        raise RuntimeError(f"{job['id']} is {job['status']}: {job['error']}")
    return job
