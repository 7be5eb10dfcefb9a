"""The outbox: no event without its delivery, no delivery claimed twice, and a share for every receiver."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contract.artifact import Artifact
from contract.errors import LimitExceeded, UnknownDelivery
from contract.job import Job
from contract.job_store import JobStore
from contract.leases import Lease, Leases
from contract.outbox import Attempt, Claimed, Delivery, Outbox
from contract.request import GenerationRequest
from contract.store_connection import StoreConnection
from contract.terms import Terms
from contract.webhook_secrets import MAX_SECRETS, WebhookSecrets
from contract.webhooks import WEBHOOK_EVENTS, Webhook
from tests.conftest import complete_request, running_store
from tests.waiting import wait_until_async

REQUEST = GenerationRequest(prompt="a red apple")
BASE = "http://api.test"
TAKEN = Attempt(at=datetime.now(UTC), seconds=0.1, status_code=200)
REFUSED = TAKEN.model_copy(update={"status_code": 500})


@pytest.fixture(scope="module")
def store_socket() -> Iterator[Path]:
    """A store of these tests' own: API processes of other tests would carry what is in its outbox."""
    yield from running_store()


@pytest.fixture
def outbox(connection: StoreConnection) -> Outbox:
    return Outbox(connection)


def webhook(*events: str, host: str = "a") -> Webhook:
    origin = f"https://{host}.test:443"
    chosen = {"events": events} if events else {}
    return Webhook(url=f"https://{host}.test/hook", origin=origin, secret=origin, base=BASE, **chosen)


async def admit(job_store: JobStore, wanted: Webhook | None = None) -> Job:
    admission = await job_store.admit(REQUEST, complete_request(), Terms(webhook=wanted or webhook()), max_queued=1000)
    return admission.job


async def running(job_store: JobStore, leases: Leases, wanted: Webhook | None = None) -> Lease:
    await admit(job_store, wanted)
    lease = await leases.claim("worker")
    assert lease is not None
    return lease


async def claim(outbox: Outbox, limit: int = 100, lease_seconds: float = 30, share: int = 100) -> list[Claimed]:
    return await outbox.claim(limit, lease_seconds=lease_seconds, at_one_receiver=share)


async def told(outbox: Outbox, job_id: str) -> list[str]:
    return [delivery.event for delivery in await outbox.of_job(job_id)]


@pytest.mark.parametrize("outcome", ["succeeded", "failed", "cancelled"])
async def test_a_settled_job_has_its_delivery(
    job_store: JobStore, leases: Leases, outbox: Outbox, outcome: str
) -> None:
    lease = await running(job_store, leases)
    assert await leases.settle(lease, outcome)  # type: ignore[arg-type]
    assert await leases.settle(lease, outcome) is False  # type: ignore[arg-type]
    (claimed,) = await claim(outbox)
    assert (claimed.delivery.event, claimed.job, claimed.webhook) == (
        outcome,
        await job_store.get(lease.job_id),
        webhook(),
    )


async def test_every_other_end_has_its_delivery_too(
    job_store: JobStore, leases: Leases, outbox: Outbox, connection: StoreConnection
) -> None:
    waiting = await admit(job_store)
    await job_store.cancel(waiting.id)
    once = Leases(connection, lease_seconds=0.001, max_attempts=1, retention_seconds=60)
    lost = await running(job_store, once)
    assert await once.give_back([lost], "lost") == 1
    reaped = await running(job_store, once)

    async def reap() -> bool:
        await connection.run("reap", 1, "", 60)
        return (await job_store.get(reaped.job_id)).ended

    await wait_until_async(reap, 5)
    cancelled = await running(job_store, leases)
    await job_store.cancel(cancelled.job_id)
    await leases.give_back([cancelled], "drained")
    ended = {waiting.id: "cancelled", lost.job_id: "failed", reaped.job_id: "failed", cancelled.job_id: "cancelled"}
    for job_id, event in ended.items():
        assert await told(outbox, job_id) == [event], job_id


async def test_only_what_was_asked_for_is_told(job_store: JobStore, leases: Leases, outbox: Outbox) -> None:
    lease = await running(job_store, leases, webhook("started", "failed"))
    await leases.give_back([lease], "drained")
    again = await leases.claim("worker")
    assert again is not None
    await leases.settle(again, "succeeded")
    assert await told(outbox, lease.job_id) == ["started", "started"]
    quiet = await job_store.admit(REQUEST, complete_request(), max_queued=9)
    await job_store.cancel(quiet.job.id)
    assert await told(outbox, quiet.job.id) == []


async def test_what_is_told_is_the_job_as_it_was(job_store: JobStore, leases: Leases, outbox: Outbox) -> None:
    lease = await running(job_store, leases, webhook(*WEBHOOK_EVENTS))
    picture = Artifact(
        id="art_1_0",
        index=0,
        seed=7,
        width=64,
        height=64,
        media_type="image/png",
        size_bytes=1,
        sha256="0",
        storage_key="",
    )
    await leases.publish_image(lease, picture)
    await leases.settle(lease, "succeeded")
    claims = await claim(outbox)
    assert [(one.delivery.event, one.job.status, len(one.job.images)) for one in claims] == [
        ("started", "running", 0),
        ("image", "running", 1),
        ("succeeded", "succeeded", 1),
    ]


async def test_of_progress_only_the_last_is_kept_and_none_after_the_end(
    job_store: JobStore, leases: Leases, outbox: Outbox
) -> None:
    lease = await running(job_store, leases, webhook("progress", "succeeded"))
    for step in range(1, 4):
        await leases.report(lease, step, 1.0, [("progress", f'{{"step":{step}}}')])
    (first,) = await claim(outbox)
    assert (first.job.progress.step, first.delivery.data) == (1, '{"step":1}')

    async def later() -> bool:
        await leases.report(lease, 4, 1.0, [("progress", '{"step":4}')])
        (kept,) = await outbox.of_job(lease.job_id)
        return kept.id != first.delivery.id

    await wait_until_async(later, 5)
    assert not await outbox.record(first, "succeeded", TAKEN), "it was replaced"
    await leases.settle(lease, "succeeded")
    assert await told(outbox, lease.job_id) == ["succeeded"]


async def test_a_claimed_delivery_is_nobody_elses_until_its_lease_ends(job_store: JobStore, outbox: Outbox) -> None:
    for _ in range(20):
        await job_store.cancel((await admit(job_store)).id)
    claims = await asyncio.gather(*(claim(outbox, 3) for _ in range(10)))
    ids = [claimed.delivery.id for batch in claims for claimed in batch]
    assert len(ids) == len(set(ids)) == 20
    assert await claim(outbox) == []


async def test_what_a_dead_process_has_claimed_is_claimed_again_and_its_word_is_not_heard(
    job_store: JobStore, outbox: Outbox
) -> None:
    job = await admit(job_store)
    await job_store.cancel(job.id)
    (dead,) = await claim(outbox, lease_seconds=0.001)

    async def again() -> list[Claimed]:
        return await claim(outbox)

    (alive,) = await wait_until_async(again, 5)
    assert alive.delivery.id == dead.delivery.id
    assert not await outbox.record(dead, "failed", REFUSED)
    assert await outbox.record(alive, "succeeded", TAKEN)
    assert not await outbox.record(alive, "succeeded", TAKEN), "said twice"
    (delivery,) = await outbox.of_job(job.id)
    assert (delivery.status, delivery.attempts, delivery.next_attempt_at) == ("succeeded", (TAKEN,), None)


async def test_a_failed_try_is_made_again_when_it_is_due(job_store: JobStore, outbox: Outbox) -> None:
    job = await admit(job_store)
    await job_store.cancel(job.id)
    (claimed,) = await claim(outbox)
    await outbox.record(claimed, "pending", REFUSED, delay_seconds=3600)
    (delivery,) = await outbox.of_job(job.id)
    assert delivery.next_attempt_at is not None
    assert 3590 < (delivery.next_attempt_at - datetime.now(UTC)).total_seconds() <= 3600
    assert await claim(outbox) == []
    await outbox.redeliver(job.id, delivery.id)
    (again,) = await claim(outbox)
    assert (again.delivery.tries, again.delivery.asked_again, again.delivery.attempts) == (0, True, (REFUSED,))


async def test_only_deliveries_of_the_job_are_tried_again(job_store: JobStore, outbox: Outbox) -> None:
    job, other = await admit(job_store), await admit(job_store)
    await job_store.cancel(other.id)
    (delivery,) = await outbox.of_job(other.id)
    for delivery_id in (delivery.id, "whd_1", ""):
        with pytest.raises(UnknownDelivery):
            await outbox.redeliver(job.id, delivery_id)


async def test_a_record_that_cannot_be_read_stands_in_nobodys_way(
    job_store: JobStore, outbox: Outbox, connection: StoreConnection
) -> None:
    ids = [(await admit(job_store)).id for _ in range(3)]
    for job_id in ids:
        await job_store.cancel(job_id)
    delivery = await only(outbox, ids[0])
    await connection.redis.hset(f"safelight:delivery:{delivery.id}", "event", "something new")
    assert {claimed.job.id for claimed in await claim(outbox)} == set(ids[1:])


async def test_a_receiver_with_many_stands_in_nobodys_way(job_store: JobStore, outbox: Outbox) -> None:
    for _ in range(30):
        await job_store.cancel((await admit(job_store, webhook(host="busy"))).id)
    await job_store.cancel((await admit(job_store, webhook(host="other"))).id)
    claims = await claim(outbox, limit=10, share=4)
    assert [one.webhook.url for one in claims] == ["https://busy.test/hook"] * 4 + ["https://other.test/hook"]
    busy = claims[0].receiver
    assert await outbox.claim(10, lease_seconds=30, at_one_receiver=4, but=[busy]) == []
    assert len(await claim(outbox)) == 26


async def test_only_the_last_twenty_tries_are_kept(job_store: JobStore, outbox: Outbox) -> None:
    job = await admit(job_store)
    await job_store.cancel(job.id)
    for _ in range(25):
        (claimed,) = await claim(outbox)
        await outbox.record(claimed, "pending", REFUSED)
    assert (await only(outbox, job.id)).tries == 25
    assert len((await only(outbox, job.id)).attempts) == 20


async def only(outbox: Outbox, job_id: str) -> Delivery:
    (delivery,) = await outbox.of_job(job_id)
    return delivery


async def test_a_url_that_is_gone_is_known_until_it_answers(job_store: JobStore, outbox: Outbox) -> None:
    job = await admit(job_store)
    await job_store.cancel(job.id)
    (claimed,) = await claim(outbox)
    assert not await outbox.disabled(claimed)
    await outbox.record(claimed, "disabled", TAKEN.model_copy(update={"status_code": 410}))
    assert await outbox.disabled(claimed)
    foreign = claimed.job.model_copy(update={"tenant": "another"})
    assert not await outbox.disabled(replace(claimed, job=foreign))
    assert not await outbox.disabled(replace(claimed, webhook=webhook(host="b")))
    await outbox.redeliver(job.id, claimed.delivery.id)
    (claimed,) = await claim(outbox)
    await outbox.record(claimed, "succeeded", TAKEN)
    assert not await outbox.disabled(claimed)


async def test_nothing_is_left_of_a_removed_job(
    job_store: JobStore, leases: Leases, outbox: Outbox, connection: StoreConnection
) -> None:
    lease = await running(job_store, leases, webhook(*WEBHOOK_EVENTS))
    await leases.report(lease, 1, 1.0, [("progress", "{}")])
    await leases.settle(lease, "succeeded")
    (first, *_) = await claim(outbox, 1)
    await job_store.delete(lease.job_id)
    assert not await outbox.record(first, "succeeded", TAKEN)
    keys = await connection.redis.keys()
    assert [key for key in keys if lease.job_id[4:] in key or "outbox" in key or "deliver" in key] == []


async def test_all_ask_for_one_secret_and_get_it(connection: StoreConnection) -> None:
    secrets = WebhookSecrets(connection, "t")
    first, *others = await asyncio.gather(*(secrets.read("https://a.test:443") for _ in range(20)))
    assert others == [first] * 19
    assert first.key.startswith("whsec_")
    assert len(first.key) > 24 * 4 / 3
    assert (await secrets.read("https://b.test:443")).key != first.key
    assert (await secrets.of("u").read("https://a.test:443")).key != first.key


async def test_a_replaced_secret_signs_for_a_while(connection: StoreConnection) -> None:
    secrets = WebhookSecrets(connection)
    old = await secrets.read("x")
    new = await secrets.rotate("x", overlap_seconds=3600)
    assert new.keys == (new.key, old.key)
    assert await secrets.read("x") == new
    newest = await secrets.rotate("x", overlap_seconds=0)
    assert newest.keys == (newest.key,)


async def test_a_tenant_has_a_bounded_number_of_secrets_and_no_other_tenant_less(connection: StoreConnection) -> None:
    secrets = WebhookSecrets(connection, "acme")
    for start in range(0, MAX_SECRETS, 100):
        await asyncio.gather(*(secrets.read(str(number)) for number in range(start, start + 100)))
    for ask in (secrets.read("one more"), secrets.rotate("one more", overlap_seconds=0)):
        with pytest.raises(LimitExceeded, match=f"at most {MAX_SECRETS} receivers"):
            await ask
    first = await secrets.read("0")
    assert (await secrets.rotate("0", overlap_seconds=60)).keys[1:] == first.keys
    assert (await secrets.of("rival").read("one more")).key
