"""Any order of what clients ask and of what dies: when all of it is over, every invariant holds."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule, run_state_machine_as_test

from tests.faults.client import BODY
from tests.faults.history import Call
from tests.faults.outages import kill
from tests.faults.site import Part, Site, open_site

pytestmark = pytest.mark.alone

DIES: tuple[Part, ...] = ("child", "parent", "api", "store")
STEPS = st.sampled_from([1, 20, 300])
PATIENCE_SECONDS = 180
"""A child that dies again and again is started after half a minute; what was in flight is made again one by one."""


@dataclass
class Stage:
    """The site that all runs share, and the loop in which its clients live."""

    runner: asyncio.Runner
    site: Site


@pytest.fixture(scope="module")
def stage(tiny_catalogue: Path) -> Iterator[Stage]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        site = runner.run(stack.enter_async_context(open_site(tiny_catalogue, SAFELIGHT_LEASE_SECONDS="3")))
        yield Stage(runner, site)
        runner.run(stack.aclose())


@dataclass(frozen=True)
class Asked:
    """A request that was sent, perhaps under a key, and the job that it is known to have become, if it is."""

    body: dict[str, object]
    key: str | None
    job_id: str | None


class Service(RuleBasedStateMachine):
    """Clients do as they like, and processes die; a rule only says what is asked, `teardown` what must hold.

    Which rules may come next does not depend on answers, as these differ from run to run: who asks for a job that was
    not admitted asks for nothing.
    """

    stage: Stage
    asked: Bundle[Asked] = Bundle("asked")

    def __init__(self) -> None:
        super().__init__()
        self._client = self.stage.site.ada
        self._num_calls = len(self.stage.site.history.calls)
        self._followers: list[asyncio.Task[None]] = []

    def _call(self, method: str, path: str, *, body: object = None, key: str | None = None) -> Call:
        return self.stage.runner.run(self._client.call(method, path, body=body, key=key))

    @rule(target=asked, steps=STEPS, num_images=st.integers(1, 2), keyed=st.booleans())
    def submit(self, steps: int, num_images: int, keyed: bool) -> Asked:
        body = BODY | {"num_inference_steps": steps, "num_images": num_images}
        key = f"call {len(self.stage.site.history.calls)}" if keyed else None
        call = self._call("POST", "/v1/generations", body=body, key=key)
        assert call.status in (None, 202, 503), call
        return Asked(body, key, call.answer["id"] if call.is_admission else None)

    @rule(asked=asked)
    def submit_again(self, asked: Asked) -> None:
        if asked.key is not None:
            call = self._call("POST", "/v1/generations", body=asked.body, key=asked.key)
            assert call.status in (None, 202, 503), call

    @rule(asked=asked)
    def poll(self, asked: Asked) -> None:
        if asked.job_id is not None:
            self._call("GET", f"/v1/jobs/{asked.job_id}")

    @rule()
    def read_list(self) -> None:
        self._call("GET", "/v1/jobs")

    @rule(asked=asked)
    def cancel(self, asked: Asked) -> None:
        if asked.job_id is not None:
            self._call("POST", f"/v1/jobs/{asked.job_id}/cancel")

    @rule(asked=asked)
    def follow(self, asked: Asked) -> None:
        async def begin(job_id: str) -> asyncio.Task[None]:
            return asyncio.create_task(self._client.follow(job_id))

        if asked.job_id is not None:
            self._followers.append(self.stage.runner.run(begin(asked.job_id)))

    @rule(asked=consumes(asked))
    def delete(self, asked: Asked) -> None:
        if asked.job_id is not None:
            call = self._call("DELETE", f"/v1/jobs/{asked.job_id}")
            assert call.status in (None, 204, 409, 503), call

    @rule(part=st.sampled_from(DIES))
    def kill_one(self, part: Part) -> None:
        self.stage.runner.run(kill(self.stage.site, part))
        if part != "child":
            self.stage.site.start(part)

    def teardown(self) -> None:
        self.stage.runner.run(self._drain())

    async def _drain(self) -> None:
        history = self.stage.site.history
        admitted = {job["id"] for call in history.calls[self._num_calls :] if call.is_admission for job in call.jobs}
        for job_id in admitted - history.deleted():
            await self._client.finish(job_id, PATIENCE_SECONDS)
        for follower in self._followers:
            follower.cancel()
        await asyncio.gather(*self._followers, return_exceptions=True)
        await self.stage.site.check()


def run(stage: Stage, **bounds: int) -> None:
    """Runs the machine within these bounds."""
    Service.stage = stage
    run_state_machine_as_test(
        Service,
        settings=settings(
            deadline=None, database=None, print_blob=True, suppress_health_check=list(HealthCheck), **bounds
        ),
    )


def test_a_few_orders(stage: Stage) -> None:
    run(stage, max_examples=2, stateful_step_count=12, derandomize=True)


@pytest.mark.faults_full
@pytest.mark.timeout(3600)
def test_many_orders(stage: Stage) -> None:
    run(stage, max_examples=12, stateful_step_count=30)
