"""Retries: whatever the SDK does when it hears no answer, one call is one job; and two calls are two."""

import asyncio
from uuid import uuid4

import openai
import pytest

from contract.job import Job, JobFailure
from tests.dialects.openai.desk import PICTURE, Desk
from tests.dialects.openai.operations import EDITS, OPERATIONS, shows
from tests.dialects.openai.sdk import using
from tests.fault_proxy import losing_answers
from tests.pictures import encoded, gradient
from tests.system.launched import Launched

QUICK = {"size": "64x64", "extra_body": {"num_inference_steps": 2}}


def jobs_of(service: Launched, user: str) -> list[str]:
    """The ids of the jobs that a user has."""
    jobs = service.call("/v1/jobs?limit=100")["data"]
    return [job["id"] for job in jobs if job["request"]["metadata"].get("user") == user]


@pytest.mark.parametrize("flavour", ["sync", "async"])
async def test_a_lost_answer_makes_no_second_job(service: Launched, flavour: str) -> None:
    user = uuid4().hex
    async with losing_answers(service.address) as proxy, using(proxy.address, flavour, max_retries=2) as sdk:
        response = await sdk(lambda client: client.images.generate(prompt="a red apple", user=user, **QUICK))
    assert (proxy.num_lost, proxy.num_requests) == (1, 2)
    (job_id,) = jobs_of(service, user)
    assert service.call(f"/v1/jobs/{job_id}")["images"][0]["seed"] == response.data[0].seed


async def test_a_lost_answer_to_a_form_makes_no_second_job(service: Launched) -> None:
    """Each try has another boundary, and its pictures are stored under other names."""
    user = uuid4().hex
    async with losing_answers(service.address, 2) as proxy, using(proxy.address, max_retries=2) as sdk:
        response = await sdk(lambda client: client.images.edit(image=PICTURE, prompt="a fox", user=user, **QUICK))
    assert (proxy.num_lost, proxy.num_requests) == (2, 3)
    assert len(response.data) == len(jobs_of(service, user)) == 1


async def test_a_stream_that_is_lost_before_it_begins_makes_no_second_job(service: Launched) -> None:
    user = uuid4().hex
    async with losing_answers(service.address) as proxy, using(proxy.address, max_retries=1) as sdk:
        events = await sdk.events(
            lambda client: client.images.generate(prompt="a red apple", user=user, stream=True, **QUICK)
        )
    assert [event.type for event in events] == ["image_generation.completed"]
    assert (proxy.num_lost, len(jobs_of(service, user))) == (1, 1)


async def test_a_client_that_runs_out_of_patience_makes_no_second_job(service: Launched) -> None:
    user = uuid4().hex
    slow = {"n": 4, "size": "256x256", "extra_body": {"num_inference_steps": 90}}
    async with using(service.address, max_retries=2, timeout=0.5) as sdk:
        with pytest.raises(openai.APITimeoutError):
            await sdk(lambda client: client.images.generate(prompt="a red apple", user=user, **slow))
    (job_id,) = jobs_of(service, user)
    assert service.call(f"/v1/jobs/{job_id}")["status"] in ("queued", "running"), "the job does not end with its client"
    service.call(f"/v1/jobs/{job_id}/cancel", {})


async def made(desk: Desk, operation: str, num_retries: int, key: str = "Bearer k", **parameters: object) -> Job:
    """The job of a call that came after so many others."""
    headers = {"x-stainless-retry-count": str(num_retries), "authorization": key}
    answer, _ = await desk.send(operation, headers=headers, **parameters)
    assert answer.status_code == 200, answer.text
    return await desk.player.job_store.get(answer.headers["x-job-id"])


@shows(
    "X-Stainless-Retry-Count",
    "exact",
    "from 1 on, a call joins the job of its first try, for half an hour",
    *OPERATIONS,
)
async def test_who_repeats_what(desk: Desk, operation: str) -> None:
    first = await made(desk, operation, 0)
    assert (await made(desk, operation, 1)).id == first.id
    assert (await made(desk, operation, 2)).id == first.id
    second = await made(desk, operation, 0)
    assert second.id != first.id, "two calls that repeat nothing are two jobs"
    assert (await made(desk, operation, 1)).id == second.id
    assert (await made(desk, operation, 1, key="Bearer other")).id not in (first.id, second.id)
    assert (await made(desk, operation, 1, n=2)).id not in (first.id, second.id)


async def test_pictures_are_compared_by_their_pixels(desk: Desk) -> None:
    first = await made(desk, EDITS, 0)
    assert (await made(desk, EDITS, 1, image=encoded(gradient(128, 128), "WEBP", lossless=True))).id == first.id
    assert len((await desk.client.get("/v1/files")).json()["data"]) == 1, "what came again is not kept again"
    assert (await made(desk, EDITS, 1, image=encoded(gradient(96, 128)))).id != first.id


async def test_a_first_try_that_never_arrived_is_no_obstacle(desk: Desk) -> None:
    first = await made(desk, EDITS, 1)
    assert (await made(desk, EDITS, 2)).id == first.id


async def test_a_job_that_failed_for_no_fault_of_its_own_is_tried_again(desk: Desk) -> None:
    headers = {"x-stainless-retry-count": "0", "authorization": "Bearer k"}

    async def failing(code: str) -> str:
        answer = asyncio.ensure_future(desk.call(EDITS, headers=headers))
        lease = None
        while lease is None:
            lease = await desk.player.leases.claim("player")
        failure = JobFailure(code=code, message="No.", retryable=code == "worker_died")
        await desk.player.settle(lease, "failed", failure)
        assert (await answer).status_code == 500
        return lease.job_id

    died = await failing("worker_died")
    assert (await made(desk, EDITS, 1)).id != died
    broken = await failing("generation_failed")
    again = await desk.call(EDITS, headers=headers | {"x-stainless-retry-count": "1"})
    assert (again.status_code, again.headers["x-job-id"]) == (500, broken)


@shows("Idempotency-Key", "exact", "not OpenAI's; the same key and body give the same job for 24 hours", *OPERATIONS)
async def test_a_key_of_the_clients_own_counts_more(desk: Desk, operation: str) -> None:
    headers = {"idempotency-key": "order-42"}
    first = await desk.send(operation, headers=headers)
    again = await desk.send(operation, headers=headers)
    assert first[0].headers["x-job-id"] == again[0].headers["x-job-id"]
    assert first[0].json() == again[0].json()
    other, _ = await desk.send(operation, headers=headers, n=2)
    assert (other.status_code, other.json()["error"]["param"]) == (409, "Idempotency-Key")
