"""Every way from status to status: the table, and a machine that tries the store in any order."""

import asyncio
import itertools
from collections.abc import Coroutine
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from hypothesis.strategies import sampled_from

from contract.costs import Forecast
from contract.errors import JobNotEnded, UnknownJob
from contract.job import ENDED, TRANSITIONS, Job, JobStatus
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from tests.conftest import complete_request
from tests.contract.test_job_store import positions

STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
REQUEST = GenerationRequest(prompt="x")
ONE_SECOND = Forecast(work_seconds=1.0, own_seconds=1.0)


async def in_status(job_store: JobStore, leases: Leases, status: JobStatus) -> tuple[Job, Lease]:
    """A fresh job in this status, and the lease that it has or had."""
    admission = await job_store.admit(REQUEST, complete_request(), max_queued=99)
    lease = Lease(admission.job.id, "none")
    if status != "queued":
        lease = await leases.claim("worker") or lease
    if status in ENDED:
        await leases.settle(lease, status)  # type: ignore[arg-type]
    return await job_store.get(admission.job.id), lease


async def push(job_store: JobStore, leases: Leases, lease: Lease, to: JobStatus) -> None:
    """Everything that could bring a job to a status."""
    if to == "running":
        await leases.claim("worker")
    elif to == "queued":
        await leases.give_back([lease], "lost")
    elif to == "cancelled":
        await job_store.cancel(lease.job_id)
        await leases.settle(lease, "cancelled")
    else:
        await leases.settle(lease, to)  # type: ignore[arg-type]


@pytest.mark.parametrize(("status", "to"), list(itertools.product(STATUSES, STATUSES)))
async def test_a_job_goes_where_the_table_says_and_nowhere_else(
    job_store: JobStore, leases: Leases, status: JobStatus, to: JobStatus
) -> None:
    job, lease = await in_status(job_store, leases, status)
    assert job.status == status
    await push(job_store, leases, lease, to)
    expected = to if to in TRANSITIONS[status] else status
    assert (await job_store.get(job.id)).status == expected


class StoreMachine(RuleBasedStateMachine):
    """Clients and two workers in any order; the model is a table of statuses, of who holds what, and of suspects."""

    url: str
    held = Bundle("held")

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.connection = StoreConnection(self.url)
        self.run(self.connection.redis.flushall())
        self.job_store = JobStore(self.connection, retention_seconds=3600)
        self.leases = Leases(self.connection, lease_seconds=15, max_attempts=3, retention_seconds=3600)
        self.status: dict[str, str] = {}
        self.attempts: dict[str, int] = {}
        self.holder: dict[str, Lease] = {}
        self.worker: dict[str, str] = {}
        self.suspects: set[str] = set()
        self.had_company: set[str] = set()
        self.queue: list[str] = []

    def run(self, call: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(call)

    def teardown(self) -> None:
        self.run(self.connection.close())
        self.runner.close()

    @rule()
    def admit(self) -> None:
        job = self.run(self.job_store.admit(REQUEST, complete_request(), max_queued=999, forecast=ONE_SECOND)).job
        self.status[job.id], self.attempts[job.id] = "queued", 0
        self.queue.append(job.id)

    @rule(target=held, worker=sampled_from(["one", "two"]))
    def claim(self, worker: str) -> Lease:
        lease = self.run(self.leases.claim(worker))
        crew = [job_id for job_id in self.holder if self.worker[job_id] == worker]
        if not self.queue or (crew and not self.suspects.isdisjoint({self.queue[0], *crew})):
            assert lease is None
            return Lease("job_none", "none")
        assert lease.job_id == self.queue.pop(0)
        self.status[lease.job_id] = "running"
        self.attempts[lease.job_id] += 1
        self.holder[lease.job_id] = lease
        self.worker[lease.job_id] = worker
        self.had_company.discard(lease.job_id)
        if crew:
            self.had_company |= {lease.job_id, *crew}
        return lease

    def holds(self, lease: Lease) -> bool:
        return self.holder.get(lease.job_id) == lease

    @rule(lease=held, outcome=sampled_from(["succeeded", "failed", "cancelled"]))
    def settle(self, lease: Lease, outcome: str) -> None:
        assert self.run(self.leases.settle(lease, outcome)) == self.holds(lease)
        if self.holds(lease):
            self.status[lease.job_id] = outcome
            del self.holder[lease.job_id]

    @rule(lease=held, why=sampled_from(["lost", "drained"]))
    def give_back(self, lease: Lease, why: str) -> None:
        assert self.run(self.leases.give_back([lease], why)) == int(self.holds(lease))
        if not self.holds(lease):
            return
        del self.holder[lease.job_id]
        self.suspects |= {lease.job_id} if why == "lost" else set()
        if self.status[lease.job_id] == "to be cancelled":
            self.status[lease.job_id] = "cancelled"
            return
        counts = why == "lost" and lease.job_id not in self.had_company
        self.attempts[lease.job_id] -= not counts
        if self.attempts[lease.job_id] >= 3:
            self.status[lease.job_id] = "failed"
        else:
            self.status[lease.job_id] = "queued"
            in_order = list(self.status)
            self.queue = sorted([lease.job_id, *self.queue], key=in_order.index)

    @rule(lease=held)
    def cancel_held(self, lease: Lease) -> None:
        self.cancel(lease.job_id)

    @rule()
    def cancel_next(self) -> None:
        if self.queue:
            self.cancel(self.queue[0])

    def cancel(self, job_id: str) -> None:
        if job_id not in self.status:
            with pytest.raises(UnknownJob):
                self.run(self.job_store.cancel(job_id))
            return
        self.run(self.job_store.cancel(job_id))
        if self.status[job_id] == "queued":
            self.status[job_id] = "cancelled"
            self.queue.remove(job_id)
        elif self.status[job_id] == "running":
            self.status[job_id] = "to be cancelled"

    @rule(lease=held)
    def delete(self, lease: Lease) -> None:
        status = self.status.get(lease.job_id)
        expected = UnknownJob if status is None else JobNotEnded if status not in ENDED else None
        if expected:
            with pytest.raises(expected):
                self.run(self.job_store.delete(lease.job_id))
            return
        self.run(self.job_store.delete(lease.job_id))
        del self.status[lease.job_id]

    async def waiting_seconds(self) -> float:
        work = await self.connection.redis.hgetall("safelight:work")
        return sum(int(micros) for field, micros in work.items() if field.startswith("0:")) / 1e6

    @invariant()
    def the_store_agrees(self) -> None:
        if not hasattr(self, "status"):
            return
        for job_id, status in self.status.items():
            job = self.run(self.job_store.get(job_id))
            assert job.status == ("running" if status == "to be cancelled" else status)
            assert job.attempt == self.attempts[job_id]
        assert self.run(self.job_store.outlook()).running_seconds == len(self.holder)
        assert self.run(self.waiting_seconds()) == len(self.queue)
        counts = self.run(self.job_store.counts())
        assert sum(counts.values()) == len(self.status)
        assert self.run(positions(self.job_store, self.queue)) == {
            job_id: place for place, job_id in enumerate(self.queue, 1)
        }


def test_any_order_of_calls_agrees_with_the_model(store_url: str) -> None:
    machine = type("Machine", (StoreMachine,), {"url": store_url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
