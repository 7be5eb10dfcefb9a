"""What the API and the store do under many waiting jobs, and how long a start takes: `bench.service --help`."""

import argparse
import asyncio
import json
import random
import re
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path

from bench.clients import Answer, Call, ceiling_per_second, percentile_ms, send_all
from bench.installation import Installation, end, installed, start, until
from bench.table import Measure, conclude

SHORT = "a red apple on a wooden table"
LONG = " ".join(f"{word}" for word in (SHORT.split() * 9)[:60])
NUM_CLIENTS = 16
NUM_WARM = 100
NUM_POLLS = 3000
NUM_CANCELS = 300

MOST_SUBMIT_MS, MOST_POLL_MS, MOST_JOB_BYTES, MOST_RESTART_SECONDS = 50, 20, 2560, 2


def main() -> None:
    """Prints the figures beside the targets; exits with 1 when one is missed."""
    parser = argparse.ArgumentParser(
        description="Start a store and an API of our own, let 16 clients submit jobs that no worker takes, poll and "
        "cancel them, restart the store; then start the whole service and wait for its first picture. "
        "Of several rounds the best figure of each is shown: other processes only ever make one worse."
    )
    parser.add_argument("--jobs", type=int, default=10_000, help="how many jobs wait")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--no-picture", action="store_true", help="leave the start to the first picture out")
    arguments = parser.parse_args()
    rounds = [one_round(arguments.jobs) for _ in range(arguments.rounds)]
    measures = [quietest(same) for same in zip(*rounds, strict=True)]
    if not arguments.no_picture:
        measures.append(Measure("start to first picture", round(first_picture_seconds(), 2), "s"))
    conclude(measures)


def one_round(num_jobs: int) -> list[Measure]:
    """All figures once, on fresh installations."""
    with installed(SAFELIGHT_MAX_QUEUED_JOBS=str(2 * num_jobs + NUM_WARM)) as installation:
        measures = asyncio.run(under_load(installation, num_jobs))
    with installed(SAFELIGHT_MAX_QUEUED_JOBS=str(2 * num_jobs + NUM_WARM)) as installation:
        long_bytes = asyncio.run(bytes_a_job(installation, num_jobs // 5, LONG))
    return [*measures, Measure("memory a job, prompt of 60 words", long_bytes, "B")]


def quietest(same: Sequence[Measure]) -> Measure:
    """The best of the same figure over the rounds."""
    pick = max if same[0].unit == "/s" else min
    return pick(same, key=lambda measure: measure.value)


async def under_load(installation: Installation, num_jobs: int) -> list[Measure]:
    """Jobs submitted, polled and cancelled, and the store restarted with those that are left."""
    await submit(installation, NUM_WARM, SHORT)
    bytes_before, started_at = installation.store_bytes(), time.perf_counter()
    submits = await submit(installation, num_jobs, SHORT)
    rate = num_jobs / (time.perf_counter() - started_at)
    job_bytes = (installation.store_bytes() - bytes_before) / num_jobs
    polls = [Call("GET", f"/v1/jobs/{job_id}") for job_id in some_ids(submits, NUM_POLLS)]
    alone = await send_all(installation.port, polls[: NUM_POLLS // 3], 1)
    together = await send_all(installation.port, polls, NUM_CLIENTS)
    cancels = [Call("POST", f"/v1/jobs/{job_id}/cancel") for job_id in some_ids(submits, NUM_CANCELS)]
    cancelled = await send_all(installation.port, cancels, 1)
    return [
        Measure("ceiling of the clients", round(await ceiling_per_second(num_jobs, NUM_CLIENTS)), "/s"),
        Measure("submits", round(rate, 1), "/s"),
        *both("submit, 16 clients", submits, MOST_SUBMIT_MS),
        *both("poll, one client", alone, MOST_POLL_MS),
        *both("poll, 16 clients", together, MOST_POLL_MS),
        *both("cancel, one client", cancelled, None),
        Measure("restart of the store", round(installation.restart_store(), 3), "s", at_most=MOST_RESTART_SECONDS),
        Measure("memory a job, short prompt", round(job_bytes), "B", at_most=MOST_JOB_BYTES),
    ]


async def submit(installation: Installation, num_jobs: int, prompt: str) -> list[Answer]:
    """The answers to jobs submitted by all clients."""
    bodies = (json.dumps({"prompt": prompt, "seed": seed}).encode() for seed in range(num_jobs))
    return await send_all(installation.port, (Call("POST", "/v1/generations", body) for body in bodies), NUM_CLIENTS)


async def bytes_a_job(installation: Installation, num_jobs: int, prompt: str) -> int:
    """How much of the store's memory one waiting job takes."""
    await submit(installation, NUM_WARM, prompt)
    bytes_before = installation.store_bytes()
    await submit(installation, num_jobs, prompt)
    return round((installation.store_bytes() - bytes_before) / num_jobs)


def some_ids(submits: Sequence[Answer], number: int) -> list[str]:
    """Ids of different jobs, or of some more than once when there are fewer."""
    drawn = random.Random(0)
    answers = drawn.sample(submits, number) if number <= len(submits) else drawn.choices(submits, k=number)
    return [json.loads(answer.content)["id"] for answer in answers]


def both(name: str, answers: Sequence[Answer], at_most: float | None) -> Iterable[Measure]:
    """The median, and the 99th percentile with its bound."""
    yield Measure(f"{name}, p50", percentile_ms(answers, 50), "ms")
    yield Measure(f"{name}, p99", percentile_ms(answers, 99), "ms", at_most=at_most)


def first_picture_seconds() -> float:
    """From the start of the launcher, as `make run` starts it, to the first finished picture."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        log = Path(folder) / "log.txt"
        started_at = time.perf_counter()
        launcher = start([sys.executable, "-m", "launch"], {"SAFELIGHT_HOME": folder, "SAFELIGHT_PORT": "0"}, log)
        try:
            address = until(lambda: re.search(r"is ready at (http://\S+)", log.read_text()))[1]
            draw(address)
            return time.perf_counter() - started_at
        finally:
            end(launcher)


def draw(address: str) -> None:
    """One picture. Raises: RuntimeError when there is none."""
    headers = {"content-type": "application/json", "prefer": "wait=60"}
    body = json.dumps({"prompt": SHORT, "seed": 7}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}/v1/generations", body, headers)) as answer:
        job = json.load(answer)
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job is {job['status']}")


if __name__ == "__main__":
    main()
