"""Whoever writes into RQ's queue runs no code: a real worker meets records that would run some in one of RQ's own."""

import json
import os
import pickle
import zlib
from pathlib import Path

import psutil

from contract.queue import FUNCTION, rq_job_fields
from tests.system.installation import Installation
from tests.waiting import wait_until_async

JSON_CALL = "a call of os.system, as JSON"
PICKLE, CALLBACK = "a pickle", "a callback"
OWN_JOB, OWN_RECORD = "RQ's record of a job of ours, forged", "a record of ours that is a pickle"
ATTACKS = (JSON_CALL, PICKLE, CALLBACK, OWN_JOB, OWN_RECORD)


class Touch:
    """Leaves a trace where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


def packed(call: object) -> bytes:
    return zlib.compress(json.dumps(call).encode())


def fields(attack: str, trace: Path) -> dict[str, bytes | str]:
    """What the attacker writes into RQ's hash of a job."""
    shell = packed(["os.system", None, [f"touch {trace}"], {}])
    return {
        PICKLE: {"data": zlib.compress(pickle.dumps((FUNCTION, None, (Touch(trace),), {})))},
        CALLBACK: {
            "data": packed([FUNCTION, None, ["x"], {}]),
            "success_callback_name": "os.system",
            "failure_callback_name": "os.system",
            "stopped_callback_name": "os.system",
        },
    }.get(attack, {"data": shell})


async def plant(installation: Installation, attack: str, trace: Path) -> str:
    """Puts the record where workers look; the id of the job that it pretends to be."""
    redis = installation.connection.redis
    ours = attack == OWN_JOB
    job_id = await installation.submit() if ours else f"job_{ATTACKS.index(attack):032x}"
    usual = rq_job_fields(job_id, redis)
    forged = dict(zip(usual[::2], usual[1::2], strict=True)) | fields(attack, trace)
    await redis.hset(f"rq:job:{job_id}", mapping=forged)
    if attack == OWN_RECORD:
        record = {"status": "queued", "sequence": 1, "request": pickle.dumps(Touch(trace)), "total_steps": 1, "step": 0}
        await redis.hset(f"safelight:job:{job_id}", mapping=record | {"attempt": 0, "created_at": 0, "model": "tiny"})
    if not ours:
        await redis.rpush("rq:queue:generations", job_id)
    return job_id


async def test_what_is_put_into_the_queue_runs_nothing(installation: Installation, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    planted = {attack: await plant(installation, attack, trace) for attack in ATTACKS}
    worker = installation.start_worker()
    honest = await installation.until(await installation.submit(seed=1), "succeeded")
    assert honest.attempt == 1

    async def taken() -> bool:
        return not await installation.connection.redis.llen("rq:queue:generations")

    await wait_until_async(taken, 20)
    assert (await installation.until(planted[OWN_JOB], "succeeded")).images
    assert await installation.connection.redis.hget(f"safelight:job:{planted[OWN_RECORD]}", "status") == "failed"
    assert worker.status() != psutil.STATUS_ZOMBIE
    assert not trace.exists()


def test_the_attacks_would_leave_a_trace(tmp_path: Path) -> None:
    """Were they run: what is tested above can fail."""
    for attack in (PICKLE, JSON_CALL):
        trace = tmp_path / attack.replace(" ", "-")
        data = zlib.decompress(bytes(fields(attack, trace)["data"]))  # type: ignore[arg-type]
        if attack == JSON_CALL:
            name, _, arguments, _ = json.loads(data)
            assert name == "os.system"
            os.system(*arguments)
        else:
            pickle.loads(data)
        assert trace.exists()
