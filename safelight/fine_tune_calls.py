"""The calls about fine-tunes."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from typing import Any, Unpack

from safelight.answers import JobStatus
from safelight.caller import id_of, path_of
from safelight.dataset_calls import DatasetCalls
from safelight.events import Event
from safelight.fine_tunes import TEACHING_KINDS, FineTune, Teaching, TeachingEnded, TeachingQuote
from safelight.following import Follower
from safelight.pages import each
from safelight.reading import read
from safelight.sources import Named


class FineTuneCalls(DatasetCalls):
    """Fine-tunes over HTTP."""

    async def teach(self, *, idempotency_key: str | None = None, **fields: Unpack[Teaching]) -> FineTune:
        """Has a model taught the pictures of a data set, without waiting.

        The same `idempotency_key` and fields give the same fine-tune for 24 hours; without one, each call makes one.
        Raises: UnknownDataset; EmptyDataset; UnsupportedModel; LimitExceeded; …
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return read(FineTune, await self._ask(fields, headers=headers))

    async def quote_teaching(self, **fields: Unpack[Teaching]) -> TeachingQuote:
        """What a fine-tune would cost, and when it would end; none is made. Raises: as `teach`."""
        return read(TeachingQuote, await self._ask(fields, params={"dry_run": True}))

    async def fine_tune(self, fine_tune: Named | str) -> FineTune:
        """The fine-tune as it is now. Raises: UnknownJob."""
        return read(FineTune, await self._sender.json("GET", f"/v1/fine-tunes/{path_of(fine_tune)}"))

    def fine_tunes(self, *, status: JobStatus | None = None, page_size: int = 50) -> AsyncGenerator[FineTune]:
        """All fine-tunes, newest first, page by page as they are asked for."""
        return each(
            self._sender,
            "/v1/fine-tunes",
            FineTune,
            {"limit": page_size} | ({} if status is None else {"status": status}),
        )

    def fine_tune_events(
        self, fine_tune: Named | str, *, after: str | None = None, timeout_seconds: float | None = None
    ) -> AsyncGenerator[Event]:
        """What happens to a fine-tune, from its first event, or from the one after the id `after`, to its last.

        Raises: UnknownJob; WaitTimedOut.
        """
        return Follower(
            self._sender,
            id_of(fine_tune),
            place="/v1/fine-tunes",
            kinds=TEACHING_KINDS,
            after=after,
            timeout_seconds=timeout_seconds,
        ).events()

    async def taught(self, fine_tune: Named | str, *, timeout_seconds: float | None = None) -> FineTune:
        """The fine-tune when it has ended, however it did. Raises: UnknownJob; WaitTimedOut."""
        events = self.fine_tune_events(fine_tune, timeout_seconds=timeout_seconds)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, TeachingEnded):
                    return event.fine_tune
        return await self.fine_tune(fine_tune)

    async def cancel_fine_tune(self, fine_tune: Named | str) -> FineTune:
        """Asks for the end of a fine-tune; what its last checkpoint has learnt stays. Raises: UnknownJob."""
        return read(FineTune, await self._sender.json("POST", f"/v1/fine-tunes/{path_of(fine_tune)}/cancel"))

    async def delete_fine_tune(self, fine_tune: Named | str) -> None:
        """Removes an ended fine-tune and what it has made. Raises: UnknownJob; JobNotEnded; FileInUse."""
        await self._remove(f"/v1/fine-tunes/{path_of(fine_tune)}")

    async def fine_tune_sample(self, fine_tune: Named | str, step: int) -> bytes:
        """A grid of samples, as PNG. Raises: UnknownJob; UnknownArtifact."""
        return await self._content(f"/v1/fine-tunes/{path_of(fine_tune)}/samples/{step}")

    async def fine_tune_file(self, fine_tune: Named | str, name: str) -> bytes:
        """A file of a result. Raises: UnknownJob; UnknownArtifact."""
        return await self._content(f"/v1/fine-tunes/{path_of(fine_tune)}/files/{path_of(name)}")

    async def _ask(self, fields: Teaching, **parts: Any) -> Any:
        body = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in fields.items()}
        return await self._sender.json("POST", "/v1/fine-tunes", json=body, **parts)
