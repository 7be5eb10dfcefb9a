"""How RQ's own tools see this worker: the only file here that imports rq."""

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from rq.worker import WorkerStatus

from contract.lines import GENERATIONS, Line
from contract.queue import SafelightRQJob
from contract.store_connection import CALL_TIMEOUT_SECONDS, CONNECT_TIMEOUT_SECONDS


class NotAnRQWorkerError(Exception):
    """A plain RQ worker took a job whose work needs a model in memory."""


def generate(job_id: str) -> None:
    """The function that our RQ jobs name. It is never called by our worker, which runs many jobs at once."""
    raise NotAnRQWorkerError(f"{job_id} is run by `python -m worker`, not by `rq worker`.")


def teach(job_id: str) -> None:
    """The same of fine-tunes."""
    raise NotAnRQWorkerError(f"{job_id} is run by `python -m worker.fine_tuning`, not by `rq worker`.")


class RQWorker:
    """The worker's entry in RQ's registries, so that `rq info` tells the truth about who is there and what they did.

    Only presence and counts are kept with RQ's own methods; leases, reaping and settling are the contract's scripts.
    The methods block for as long as the server takes to answer, and for two seconds where it does not.
    """

    def __init__(self, url: str, name: str, lease_seconds: float, line: Line = GENERATIONS) -> None:
        self._redis = Redis.from_url(url, retry=Retry(NoBackoff(), 1), socket_connect_timeout=CONNECT_TIMEOUT_SECONDS)
        self._worker = SimpleWorker(
            [Queue(line.name, connection=self._redis, serializer=JSONSerializer, job_class=SafelightRQJob)],
            name=name,
            connection=self._redis,
            serializer=JSONSerializer,
            job_class=SafelightRQJob,
            worker_ttl=max(1, int(lease_seconds)),
            log_job_description=False,
        )
        # RQ has just made it long enough for blocking reads, of which there are none here.
        self._redis.connection_pool.connection_kwargs["socket_timeout"] = CALL_TIMEOUT_SECONDS

    def register(self) -> None:
        """Says that the worker is there."""
        self._worker.register_birth()
        self._worker.set_state(WorkerStatus.IDLE)

    def beat(self, *, busy: bool) -> None:
        """Says that it still is, and whether it has work."""
        if not self._redis.exists(self._worker.key):
            self._worker.register_birth()
        self._worker.heartbeat()
        self._worker.set_state(WorkerStatus.BUSY if busy else WorkerStatus.IDLE)

    def count(self, *, succeeded: bool) -> None:
        """Adds one to the finished or failed jobs of this worker."""
        if succeeded:
            self._worker.increment_successful_job_count()
        else:
            self._worker.increment_failed_job_count()

    def deregister(self) -> None:
        """Says that the worker has left."""
        self._worker.register_death()
        self._redis.close()
