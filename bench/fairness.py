"""How much longer one tenant waits while another floods the service: `python -m bench.fairness --help`."""

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from bench.one_picture import fetch_json
from bench.quantiles import p95
from bench.table import Measure, conclude
from bench.waiting import at, own_service
from contract.keys import KeyGrant, KeyStore
from contract.settings import Settings
from contract.store_connection import StoreConnection

REQUEST = {"prompt": "a red apple", "num_inference_steps": 20, "guidance_scale": 2.5}
MOST_RATIO = 2.0


def main() -> None:
    """Prints the figures beside the target; exits with 1 when it is missed."""
    parser = argparse.ArgumentParser(
        description="Start the whole service; let one tenant ask for a picture, and for the next when it has it, first "
        "alone and then while another tenant's jobs wait in hundreds, all of the same request but for their seeds."
    )
    parser.add_argument("--jobs", type=int, default=30, help="pictures of the calm tenant, each time")
    parser.add_argument("--flood", type=int, default=300, help="jobs that the other one admits at once")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sl-") as home, own_service(Path(home)) as address:
        calm, flood = (asyncio.run(key_of(tenant, Path(home))) for tenant in ("calm", "flood"))
        conclude(measure(address, calm, flood, arguments.jobs, arguments.flood))


async def key_of(tenant: str, home: Path) -> str:
    """A new key, made where the service finds it."""
    connection = StoreConnection(Settings(home=home).store_url)
    try:
        return str(await KeyStore(connection).create(KeyGrant(tenant=tenant, scopes=("generate", "read"))))
    finally:
        await connection.close()


def measure(address: str, calm: str, flood: str, num_jobs: int, num_flooding: int) -> list[Measure]:
    """What the calm tenant's pictures take. Raises: RuntimeError, when the flood was over before they were made."""
    one_by_one(address, calm, 3)
    alone = one_by_one(address, calm, num_jobs)
    for seed in range(num_flooding):
        post(address, flood, seed, wait_seconds=0)
    flooded = one_by_one(address, calm, num_jobs)
    left = len(call(address, "/v1/jobs?status=queued&limit=100", flood)["data"])
    if not left:
        raise RuntimeError("the flood was over too soon; admit more with --flood")
    totals = [p95([one.total for one in taken]) for taken in (alone, flooded)]
    medians = [median(one.total for one in taken) for taken in (alone, flooded)]
    return [
        Measure("p95 alone", round(totals[0], 3), "s"),
        Measure("p95 beside a flood", round(totals[1], 3), "s"),
        Measure("p95 beside a flood ÷ alone", round(totals[1] / totals[0], 2), at_most=MOST_RATIO),
        Measure("median beside a flood ÷ alone", round(medians[1] / medians[0], 2)),
        *(
            Measure(f"{what} {name}, median", round(median(getattr(one, name) for one in taken), 3), "s")
            for what, taken in (("alone:", alone), ("beside a flood:", flooded))
            for name in ("waiting", "running")
        ),
        Measure("jobs of the flood left at the end, at least", left),
    ]


class Taken(NamedTuple):
    """Seconds from a POST to the finished picture; before a worker took the job, and from then on."""

    total: float
    waiting: float
    running: float


def one_by_one(address: str, key: str, number: int) -> list[Taken]:
    """What each of so many pictures took."""
    taken = []
    for seed in range(number):
        began = time.perf_counter()
        job = post(address, key, 1000 + seed, wait_seconds=60)
        total = time.perf_counter() - began
        if job["status"] != "succeeded":
            raise RuntimeError(f"the job is {job['status']}")
        created, started, finished = (at(job[name]) for name in ("created_at", "started_at", "finished_at"))
        taken.append(Taken(total, started - created, finished - started))
    return taken


def post(address: str, key: str, seed: int, wait_seconds: int) -> Any:
    """The job that a request became, after so many seconds at most."""
    body = json.dumps(REQUEST | {"seed": seed}).encode()
    return call(address, "/v1/generations", key, body, {"prefer": f"wait={wait_seconds}"})


def call(address: str, path: str, key: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Any:
    """The JSON that a tenant is answered."""
    sent = {"content-type": "application/json", "authorization": f"Bearer {key}"} | (headers or {})
    return fetch_json(urllib.request.Request(f"{address}{path}", body, sent))


if __name__ == "__main__":
    main()
