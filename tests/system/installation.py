"""Real processes: a store, workers and API processes around one data directory, ended by process id."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from contract.artifact_store import ArtifactStore
from contract.job import Job
from contract.job_store import JobStore
from contract.leases import Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from contract.terms import Terms
from launch.embedded_store import server_command
from tests.conftest import complete_request
from tests.waiting import wait_until, wait_until_async

ROOT = Path(__file__).parents[2]


class Installation:
    """The processes around one data directory, and the way in which a test talks to its store."""

    def __init__(self, home: Path, catalogue: Path) -> None:
        self.home = home
        self.socket = home / "store" / "valkey.sock"
        self.log = home / "log.txt"
        self.environment = os.environ | {
            "SAFELIGHT_HOME": str(home),
            "SAFELIGHT_CATALOGUE": str(catalogue),
            "SAFELIGHT_NUM_THREADS": "1",
            "OMP_WAIT_POLICY": "PASSIVE",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._connection: StoreConnection | None = None

    def start(self, *command: str, fds: tuple[int, ...] = (), **environment: str) -> psutil.Process:
        """Starts a command whose output goes to the log."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment | environment, stdout=log, stderr=log, pass_fds=fds
            )
        self._processes.append(process)
        return psutil.Process(process.pid)

    def start_store(self) -> psutil.Process:
        """Starts the store, and waits until it listens."""
        self.socket.unlink(missing_ok=True)
        store = self.start(*server_command(self.socket))
        wait_until(self.socket.exists, 10)
        return store

    def start_worker(self, **environment: str) -> psutil.Process:
        """Starts a worker, without waiting for its model."""
        return self.start(sys.executable, "-m", "worker", **environment)

    def end(self) -> None:
        """Ends every process that was started here, and its descendants."""
        for process in self._processes:
            if process.poll() is None:
                kill_tree(psutil.Process(process.pid))
            process.wait()

    @property
    def connection(self) -> StoreConnection:
        """This test's own connection to the store."""
        if self._connection is None:
            self._connection = StoreConnection(f"unix://{self.socket}")
        return self._connection

    async def disconnect(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        self._connection = None

    @property
    def jobs(self) -> JobStore:
        return JobStore(self.connection, retention_seconds=3600)

    @property
    def leases(self) -> Leases:
        return Leases(self.connection, lease_seconds=15, max_attempts=3, retention_seconds=3600)

    @property
    def artifacts(self) -> ArtifactStore:
        return ArtifactStore((self.home / "artifacts").as_uri())

    async def submit(self, *, no_store: bool = False, tenant: str = "public", **changes: object) -> str:
        """Admits a request, and returns the job's id."""
        complete = complete_request(**changes)
        admission = await self.jobs.of(tenant).admit(
            GenerationRequest(prompt=complete.prompt), complete, Terms(no_store=no_store), max_queued=1000
        )
        return admission.job.id

    async def until(self, job_id: str, *statuses: str, timeout_seconds: float = 60) -> Job:
        """The job, once it has one of these statuses."""

        async def job() -> Job | None:
            found = await self.jobs.get(job_id)
            return found if found.status in statuses else None

        try:
            return await wait_until_async(job, timeout_seconds)
        except AssertionError as error:
            raise AssertionError(f"{await self.jobs.get(job_id)}\n{self.log.read_text()}") from error

    async def until_step(self, job_id: str, step: int) -> None:
        """Waits until a running job is at this step or beyond."""

        async def reached() -> bool:
            return (await self.jobs.get(job_id)).progress.step >= step

        await wait_until_async(reached, 60)


def kill_tree(process: psutil.Process) -> None:
    """SIGKILL for a process and all of its descendants."""
    for victim in [*process.children(recursive=True), process]:
        kill(victim)


def kill(process: psutil.Process) -> None:
    """SIGKILL for one process; one that has ended is fine."""
    try:
        process.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return


def device_process(worker: psutil.Process) -> psutil.Process:
    """The child of a worker that owns the device: the youngest of its descendants. One that died again and again is
    started again after half a minute.
    """
    return wait_until(lambda: max(worker.children(recursive=True), key=lambda child: child.pid, default=None), 60)
