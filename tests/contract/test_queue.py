"""RQ's records of our jobs: nobody who writes to Redis can name code to run."""

import json
import pickle
import zlib
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue
from rq.exceptions import DeserializationError
from rq.serializers import JSONSerializer

from contract.queue import FUNCTION, QUEUE_NAME, ForeignJob, SafelightRQJob, rq_job_fields


@pytest.fixture
def redis(store_url: str) -> Redis:
    return Redis.from_url(store_url)


def write(redis: Redis, job_id: str, **changes: bytes | str) -> None:
    """RQ's hash of a job of ours, with these fields instead."""
    fields = rq_job_fields(job_id, redis)
    redis.hset(f"rq:job:{job_id}", mapping=dict(zip(fields[::2], fields[1::2], strict=True)) | changes)


def fetch(redis: Redis, job_id: str) -> SafelightRQJob:
    return SafelightRQJob.fetch(job_id, connection=redis, serializer=JSONSerializer)


def test_our_own_job_is_read_back(redis: Redis) -> None:
    write(redis, "job_1")
    job = fetch(redis, "job_1")
    assert (job.func_name, job.args, job.origin) == (FUNCTION, ["job_1"], QUEUE_NAME)
    assert job.description == "job_1"


@pytest.mark.parametrize(
    "changes",
    [
        {"data": zlib.compress(json.dumps(["os.system", None, ["true"], {}]).encode())},
        {"success_callback_name": "os.system"},
        {"failure_callback_name": "os.system"},
        {"stopped_callback_name": "os.system"},
    ],
)
def test_a_job_that_names_other_code_is_refused(redis: Redis, changes: dict[str, bytes | str]) -> None:
    write(redis, "job_1", **changes)
    with pytest.raises(ForeignJob):
        fetch(redis, "job_1")


class Bomb:
    """Would be a file, were it unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_a_pickle_is_not_unpickled(redis: Redis, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    write(redis, "job_1", data=zlib.compress(pickle.dumps((FUNCTION, None, (Bomb(str(trace)),), {}))))
    with pytest.raises(DeserializationError):
        fetch(redis, "job_1")
    assert not trace.exists()


def test_rq_sees_the_queue(redis: Redis) -> None:
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer, job_class=SafelightRQJob)
    assert queue.key == "rq:queue:generations"
    assert queue.started_job_registry.key == "rq:wip:generations"
    assert queue.finished_job_registry.key == "rq:finished:generations"
    assert queue.failed_job_registry.key == "rq:failed:generations"
    assert queue.canceled_job_registry.key == "rq:canceled:generations"
