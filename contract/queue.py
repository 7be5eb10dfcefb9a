"""The producer half of RQ: the queues' names, the JSON serializer, and the functions that its jobs may name."""

from datetime import UTC, datetime
from typing import Any

from redis import Redis
from rq.job import Job as RQJob
from rq.serializers import JSONSerializer

from contract.lines import GENERATIONS, LINES, Line

QUEUE_NAME = GENERATIONS.name
FUNCTION = GENERATIONS.rq_function
FUNCTIONS = {line.rq_function for line in LINES}


class ForeignJob(Exception):
    """An RQ job that Safelight did not write."""


class SafelightRQJob(RQJob):
    """An RQ job whose function can only be one of ours, so that whoever writes to Redis cannot name code to run.

    Promise: restoring a job that names another function, or any callback, raises ForeignJob and imports nothing.
    """

    def restore(self, raw_data: Any) -> None:
        """Reads the job's hash and refuses what is not ours."""
        super().restore(raw_data)
        callbacks = (self._success_callback_name, self._failure_callback_name, self._stopped_callback_name)
        if self.func_name not in FUNCTIONS or any(callbacks):
            raise ForeignJob(f"{self.id} names {self.func_name}")


def rq_job_fields(job_id: str, connection: Redis, line: Line = GENERATIONS) -> list[str | bytes]:
    """The RQ hash of a job, as the flat list of fields and values that HSET takes. No command is sent.

    The description is the id, so that prompts reach neither RQ's logs nor its dashboards.
    """
    rq_job = SafelightRQJob.create(
        line.rq_function,
        args=(job_id,),
        id=job_id,
        description=job_id,
        origin=line.name,
        status="queued",  # type: ignore[arg-type]
        connection=connection,
        serializer=JSONSerializer,
    )
    rq_job.enqueued_at = datetime.now(UTC)
    said = {field: value for field, value in rq_job.to_dict().items() if value is not None and value != ""}
    return [part for field, value in said.items() for part in (field, _hash_value(value))]


def _hash_value(value: object) -> str | bytes:
    return value if isinstance(value, bytes) else str(value)
