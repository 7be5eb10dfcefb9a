"""Who carries webhooks: a task in every API process, which takes what is due, tries it, and says how that ended."""

import asyncio
import logging
import time
from asyncio import FIRST_COMPLETED
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import httpx
from standardwebhooks import Webhook as Signer

from app.resources import Resources
from app.settings import AppSettings
from app.waiting import first_of, stop
from app.webhooks.bodies import Bodies, Happening, encoded
from app.webhooks.messenger import Messenger
from app.webhooks.schedule import Following, following
from contract.errors import StoreUnavailable
from contract.logs import bound
from contract.outbox import Attempt, Claimed, Outbox
from contract.tracing import SpanKind, Tracer, failed, span_of, trace_of
from contract.webhook_secrets import WebhookSecrets

logger = logging.getLogger("safelight.app")

POLL_SECONDS = 0.2
STORE_RETRY_SECONDS = 0.5

MAX_AT_ONCE = 128
MAX_AT_ONE_RECEIVER = 8
"""A receiver that has so many messages on their way gets no more: one that hangs leaves room for the others."""

FAREWELL_SECONDS = 1.0
"""So long messages that are on their way when the process ends may take; they are sent again if they take longer."""


class Courier:
    """Promise: what is claimed is tried and recorded, or tried again by somebody one lease later."""

    def __init__(
        self,
        outbox: Outbox,
        secrets: WebhookSecrets,
        messenger: Messenger,
        bodies: Bodies,
        settings: AppSettings,
        *,
        tracer: Tracer,
    ) -> None:
        self._tracer = tracer
        self._outbox = outbox
        self._secrets = secrets
        self._messenger = messenger
        self._bodies = bodies
        self._retries_at_seconds = settings.retries_at_seconds
        self._lease_seconds = 2 * settings.webhook_timeout_seconds
        self._carrying: set[asyncio.Task[None]] = set()
        self._at_receiver: Counter[str] = Counter()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Carries until `stop` is called."""
        while not self._stopping.is_set():
            try:
                pause = 0.0 if await self._take() else POLL_SECONDS
            except StoreUnavailable:
                pause = STORE_RETRY_SECONDS
            except Exception as error:
                logger.error("Webhooks cannot be taken from the store: %s", type(error).__name__)
                pause = STORE_RETRY_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def stop(self) -> None:
        """Takes no more, waits a little for what is on its way, and leaves the rest to others."""
        self._stopping.set()
        if self._carrying:
            await asyncio.wait(self._carrying, timeout=FAREWELL_SECONDS)
        await stop(self._carrying)

    async def _take(self) -> int:
        """Claims what there is room for, and returns how much that was."""
        if len(self._carrying) >= MAX_AT_ONCE:
            await first_of(asyncio.wait(self._carrying, return_when=FIRST_COMPLETED), self._stopping.wait())
        claims = await self._outbox.claim(
            MAX_AT_ONCE - len(self._carrying),
            lease_seconds=self._lease_seconds,
            at_one_receiver=MAX_AT_ONE_RECEIVER,
            but=[receiver for receiver, number in self._at_receiver.items() if number >= MAX_AT_ONE_RECEIVER],
        )
        for claimed in claims:
            self._at_receiver[claimed.receiver] += 1
            with bound(job_id=claimed.job.id, request_id=claimed.job.origin.request_id):
                task = asyncio.create_task(self._carry(claimed))
            self._carrying.add(task)
            task.add_done_callback(self._carrying.discard)
        return len(claims)

    async def _carry(self, claimed: Claimed) -> None:
        try:
            if not claimed.delivery.asked_again and await self._outbox.disabled(claimed):
                await self._record(claimed, None, Following("disabled"))
            else:
                attempt = await self._traced_attempt(claimed)
                await self._record(claimed, attempt, following(claimed.delivery, attempt, self._retries_at_seconds))
        except StoreUnavailable:
            logger.info("%s: the store does not answer; its webhook is sent again later", claimed.delivery.id)
        except Exception as error:
            logger.error("%s: its webhook is sent again later: %s", claimed.delivery.id, type(error).__name__)
        finally:
            self._at_receiver -= Counter([claimed.receiver])

    async def _traced_attempt(self, claimed: Claimed) -> Attempt:
        context = trace_of(claimed.job.origin.traceparent)
        said = {"safelight.delivery_id": claimed.delivery.id, "safelight.event": claimed.delivery.event}
        with span_of(self._tracer, "webhook", context, SpanKind.CLIENT, said) as span:
            attempt = await self._attempt(claimed)
            if attempt.status_code is not None:
                span.set_attribute("http.response.status_code", attempt.status_code)
            if attempt.status_code is None or attempt.status_code >= 300:
                failed(span, attempt.error or str(attempt.status_code))
        return attempt

    async def _attempt(self, claimed: Claimed) -> Attempt:
        now = datetime.now(UTC)
        try:
            body = encoded(self._bodies[claimed.webhook.body](Happening.of(claimed)))
        except Exception as error:
            logger.error("%s: its webhook has no body: %s", claimed.delivery.id, type(error).__name__)
            return Attempt(at=now, seconds=0, error="unspoken")
        secret = await self._secrets.of(claimed.job.tenant).read(claimed.webhook.secret)
        signatures = (Signer(key).sign(claimed.delivery.id, now, body) for key in secret.keys)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Safelight",
            "webhook-id": claimed.delivery.id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return await self._messenger.post(httpx.URL(claimed.webhook.url), headers, body.encode())

    async def _record(self, claimed: Claimed, attempt: Attempt | None, then: Following) -> None:
        """Tells the store, which may take its time: what is not recorded is sent again."""
        deadline = time.monotonic() + self._lease_seconds
        while True:
            try:
                await self._outbox.record(claimed, then.status, attempt, delay_seconds=then.delay_seconds)
                break
            except StoreUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(STORE_RETRY_SECONDS)
        if attempt is not None:
            outcome = attempt.status_code or attempt.error
            logger.info("%s: webhook %s, %s after %.3f s", claimed.delivery.id, outcome, then.status, attempt.seconds)


@asynccontextmanager
async def carrying(resources: Resources, bodies: Bodies) -> AsyncIterator[None]:
    """Carries webhooks for as long as this lasts."""
    settings = resources.settings
    messenger = Messenger(settings.reachable_networks, timeout_seconds=settings.webhook_timeout_seconds)
    courier = Courier(resources.outbox, resources.webhook_secrets, messenger, bodies, settings, tracer=resources.tracer)
    running = asyncio.create_task(courier.run())
    try:
        yield
    finally:
        await courier.stop()
        await running
        await messenger.close()
