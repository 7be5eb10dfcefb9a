"""How far off `eta_seconds` is, at submission and at halftime, for a mix of jobs: `python -m bench.waiting --help`."""

import argparse
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.one_picture import fetch_json

POLL_SECONDS = 0.25
SIZES = (64, 128, 192)
ENDED = ("succeeded", "failed", "cancelled")

Sight = tuple[float, float | None]
"""When a job was looked at, in Unix seconds, and the eta_seconds that it showed."""


def main() -> None:
    """Prints, as JSON, the relative errors of what jobs of a seeded mix were told."""
    parser = argparse.ArgumentParser(description="Hold predicted waiting times against real ones.")
    parser.add_argument("--address", help="a running service; by default one is started, and stopped")
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mean-pause-seconds", type=float, default=0.5, help="between two submissions")
    arguments = parser.parse_args()
    if arguments.address:
        report = measure(arguments.address, arguments.jobs, arguments.seed, arguments.mean_pause_seconds)
    else:
        with tempfile.TemporaryDirectory(prefix="sl-") as home, own_service(Path(home)) as address:
            report = measure(address, arguments.jobs, arguments.seed, arguments.mean_pause_seconds)
    print(json.dumps(report))


def measure(address: str, num_jobs: int, seed: int, mean_pause_seconds: float) -> dict[str, Any]:
    """Warms the service up, submits the mix, and watches it to its end."""
    source = random.Random(seed)
    for size in SIZES:
        post(address, {"prompt": "a fox", "height": size, "width": size, "num_images": 2}, "wait=60")
    sights: dict[str, list[Sight]] = {}
    for _ in range(num_jobs):
        job = post(address, mixed(source), "respond-async")
        sights[job["id"]] = [(at(job["created_at"]), job["progress"]["eta_seconds"])]
        watch(address, sights, time.monotonic() + source.expovariate(1 / mean_pause_seconds))
    while watch(address, sights, time.monotonic() + POLL_SECONDS):
        pass
    ends = {job_id: at(get(address, job_id)["finished_at"]) for job_id in sights}
    first = [(seen[0], ends[job_id]) for job_id, seen in sights.items()]
    half = [(halftime(seen, ends[job_id]), ends[job_id]) for job_id, seen in sights.items()]
    return {"jobs": num_jobs, "seed": seed, "at_submission": errors(first), "at_halftime": errors(half)}


def mixed(source: random.Random) -> dict[str, Any]:
    """One request of the mix."""
    size = source.choice(SIZES)
    return {
        "prompt": "a red apple",
        "seed": source.randrange(1000),
        "height": size,
        "width": size,
        "num_images": source.choice([1, 1, 1, 2, 4]),
        "num_inference_steps": source.choice([8, 20, 20, 40]),
        "guidance_scale": source.choice([1.0, 2.5, 2.5]),
        "scheduler": source.choice(["ddim", "euler", "heun"]),
    }


def watch(address: str, sights: dict[str, list[Sight]], until: float) -> bool:
    """Looks at all jobs that have not ended, again and again up to a time; whether any is left."""
    while True:
        listed = fetch_json(urllib.request.Request(f"{address}/v1/jobs?limit=100"))["data"]
        left = [job for job in listed if job["id"] in sights and job["status"] not in ENDED]
        for job in left:
            sights[job["id"]].append((time.time(), job["progress"]["eta_seconds"]))
        if time.monotonic() >= until:
            return bool(left)
        time.sleep(max(0.0, min(POLL_SECONDS, until - time.monotonic())))


def halftime(seen: list[Sight], end: float) -> Sight:
    """What was shown nearest to the middle of a job's life."""
    middle = (seen[0][0] + end) / 2
    return min(seen, key=lambda sight: abs(sight[0] - middle))


def errors(told: list[tuple[Sight, float]]) -> dict[str, Any]:
    """How far off, relative to the time that it really took; what was not told is counted apart."""
    relative = sorted(
        abs(eta - (end - seen_at)) / max(end - seen_at, 0.1) for (seen_at, eta), end in told if eta is not None
    )
    if len(relative) < 2:
        return {"unknown": len(told) - len(relative)}
    return {
        "median_relative_error": round(statistics.median(relative), 3),
        "p90_relative_error": round(statistics.quantiles(relative, n=10, method="inclusive")[-1], 3),
        "unknown": len(told) - len(relative),
    }


def at(text: str) -> float:
    """Unix seconds of a time as the API writes it."""
    return datetime.fromisoformat(text).timestamp()


def post(address: str, body: dict[str, Any], prefer: str) -> Any:
    """The job that a request became."""
    headers = {"content-type": "application/json", "prefer": prefer}
    return fetch_json(urllib.request.Request(f"{address}/v1/generations", json.dumps(body).encode(), headers))


def get(address: str, job_id: str) -> Any:
    """The job as it is now."""
    return fetch_json(urllib.request.Request(f"{address}/v1/jobs/{job_id}"))


@contextmanager
def own_service(home: Path) -> Iterator[str]:
    """The whole service in this data directory; its address."""
    log = home / "log.txt"
    environment = os.environ | {"SAFELIGHT_HOME": str(home), "SAFELIGHT_PORT": "0"}
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-m", "launch"], env=environment, stdout=output, stderr=output)
    try:
        yield _announced(log, process)
    finally:
        process.terminate()
        process.wait(30)


def _announced(log: Path, process: "subprocess.Popen[bytes]") -> str:
    while process.poll() is None:
        if found := re.search(r"is ready at (http://\S+)", log.read_text()):
            return found.group(1)
        time.sleep(POLL_SECONDS)
    raise SystemExit(log.read_text())


if __name__ == "__main__":
    main()
