"""Following a job to its end: when to connect again, from where, and when to give up."""

import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Literal
from urllib.parse import quote

from safelight.answers import ENDED
from safelight.errors import ConnectionFailed, ServiceError, WaitTimedOut
from safelight.event_stream import Decoder
from safelight.events import KINDS, Event, Kinds, event_of
from safelight.sending import Sender

PAUSE_SECONDS = 0.5
SILENCE_SECONDS = 30.0
"""The service says every ten seconds that it is still there; after so long without a word, the connection is lost."""


NO_QUERY: Mapping[str, bool | str] = MappingProxyType({})

OnDisconnect = Literal["keep", "cancel"]


class Follower:
    """One job, followed across connections. Promise: no event is missed, none comes twice."""

    def __init__(
        self,
        sender: Sender,
        job_id: str,
        *,
        after: str | None,
        timeout_seconds: float | None,
        place: str = "/v1/jobs",
        kinds: Kinds = KINDS,
        query: Mapping[str, bool | str] = NO_QUERY,
    ) -> None:
        """`place` is where such jobs are, and `kinds` what happens to them."""
        self._sender = sender.once
        self._job_id = job_id
        self._path = f"{place}/{quote(job_id)}"
        self._kinds = kinds
        self._query = dict(query)
        self._after = after
        self._timeout_seconds = timeout_seconds
        self._started_at = self._alive_at = time.monotonic()
        self._pause_seconds = PAUSE_SECONDS

    async def events(self) -> AsyncGenerator[Event]:
        """Every event up to the last. Raises: WaitTimedOut, and what goes on for longer than there is patience for."""
        has_ended = False
        while True:
            self._pause_seconds = PAUSE_SECONDS
            try:
                async with aclosing(self._connection()) as events:
                    async for event in events:
                        yield event
                        if event.name in ENDED:
                            return
                if has_ended:
                    return
                has_ended = await self._has_ended()
            except (ConnectionFailed, ServiceError) as error:
                self._bear(error)
            await self._sender.transport.sleep(min(self._pause_seconds, self._remaining_seconds()))

    async def _connection(self) -> AsyncGenerator[Event]:
        """The events that one connection brings, however it ends."""
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": self._after} if self._after else {})
        request = self._sender.request(
            "GET",
            f"{self._path}/events",
            params=self._query,
            headers=headers,
            read_seconds=min(SILENCE_SECONDS, self._remaining_seconds()),
        )
        decoder = Decoder()
        async with self._sender.stream(request) as response:
            async for piece in self._sender.transport.pieces(response):
                self._alive_at = time.monotonic()
                for message in decoder.feed(piece):
                    self._after = message.id
                    yield event_of(message, self._kinds)
                self._remaining_seconds()
        self._pause_seconds = decoder.retry_seconds or PAUSE_SECONDS

    async def _has_ended(self) -> bool:
        """Whether a stream that ended without a last event had a reason to."""
        job = await self._sender.json("GET", self._path)
        self._alive_at = time.monotonic()
        return job["status"] in ENDED

    def _bear(self, error: ConnectionFailed | ServiceError) -> None:
        """Raises it again where trying again does not help, or has not helped for long."""
        self._remaining_seconds()
        if isinstance(error, ServiceError):
            if not error.retryable:
                raise error
            self._pause_seconds = error.retry_after_seconds or PAUSE_SECONDS
        if time.monotonic() - self._alive_at > self._sender.settings.reconnect_seconds:
            raise error

    def _remaining_seconds(self) -> float:
        """What is left of the time. Raises: WaitTimedOut."""
        if self._timeout_seconds is None:
            return float("inf")
        remaining = self._started_at + self._timeout_seconds - time.monotonic()
        if remaining <= 0:
            raise WaitTimedOut(
                f"{self._job_id} has not ended in {self._timeout_seconds:g} seconds.", job_id=self._job_id
            )
        return remaining
