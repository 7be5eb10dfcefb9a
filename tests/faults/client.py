"""A client that writes down what it does and is told, and that does not give up: what a fault breaks, it does again."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from safelight.event_stream import Decoder
from tests.faults.history import ENDS, Bytes, Call, History, Stream
from tests.waiting import wait_until_async

IMPATIENCE_SECONDS = 4.0
"""After so long without an answer a call is made again."""

BODY = {"prompt": "a red apple", "seed": 7}


class Client:
    """One tenant's client. Each of its calls is in the history before it is sent."""

    def __init__(self, history: History, address: str, tenant: str, api_key: str) -> None:
        self.tenant = tenant
        self._history = history
        self._numbers = itertools.count()
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.AsyncClient(base_url=address, headers=headers, timeout=IMPATIENCE_SECONDS)

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, *, body: object = None, key: str | None = None) -> Call:
        """One request, once, with whatever came of it."""
        call = Call(self.tenant, method, path, key)
        self._history.calls.append(call)
        headers = {} if key is None else {"Idempotency-Key": key}
        try:
            response = await self._http.request(method, path, json=body, headers=headers)
        except httpx.TransportError:
            return call
        is_json = response.headers.get("content-type", "").startswith("application/json")
        content = response.json() if is_json and response.content else None
        call.answered(response.status_code, content, response.headers.get("retry-after"))
        return call

    async def text(self, path: str) -> str:
        """What is answered to a GET, as text."""
        return (await self._http.get(path)).text

    async def submit(self, *, timeout_seconds: float = 60, **changes: object) -> str:
        """Has a request accepted, with a key of its own, however often that takes; and returns the job's id."""
        key = f"{self.tenant}-{next(self._numbers)}"

        async def accepted() -> Call | None:
            call = await self.call("POST", "/v1/generations", body=BODY | changes, key=key)
            assert call.status in (None, 200, 202, 503), call
            return call if call.is_admission else None

        return str((await wait_until_async(accepted, timeout_seconds)).answer["id"])

    async def read(self, job_id: str) -> dict[str, Any] | None:
        """The job, if it could be read now."""
        call = await self.call("GET", f"/v1/jobs/{job_id}")
        return call.jobs[0] if call.jobs else None

    async def until(self, job_id: str, *statuses: str, timeout_seconds: float = 60) -> dict[str, Any]:
        """The job, once it has one of these statuses."""
        seen: dict[str, Any] | None = None

        async def found() -> dict[str, Any] | None:
            nonlocal seen
            seen = await self.read(job_id)
            return seen if seen is not None and seen["status"] in statuses else None

        try:
            return await wait_until_async(found, timeout_seconds)
        except AssertionError as error:
            raise AssertionError(f"{job_id} is not {statuses} within {timeout_seconds} s: {seen}") from error

    async def until_step(self, job_id: str, step: int) -> None:
        """Waits until a running job is at this step or beyond."""

        async def reached() -> bool:
            job = await self.read(job_id)
            return job is not None and job["progress"]["step"] >= step

        await wait_until_async(reached, 60)

    async def finish(self, job_id: str, timeout_seconds: float = 60) -> dict[str, Any]:
        """The job when it has ended; its pictures are fetched."""
        job = await self.until(job_id, *ENDS, timeout_seconds=timeout_seconds)
        for image in job["images"]:
            await self.fetch(image)
        return job

    async def fetch(self, image: dict[str, Any]) -> None:
        """The bytes of a picture."""

        async def fetched() -> httpx.Response | None:
            try:
                return await self._http.get(f"/v1/artifacts/{image['id']}")
            except httpx.TransportError:
                return None

        response = await wait_until_async(fetched, 30)
        if response.status_code == 200:
            digest = hashlib.sha256(response.content).hexdigest()
            self._history.pictures.append(Bytes(self.tenant, image["id"], digest))

    @asynccontextmanager
    async def following(self, job_id: str) -> AsyncIterator["asyncio.Task[None]"]:
        """A task that hears the job's events to the last one, over as many connections as it takes."""
        task = asyncio.create_task(self.follow(job_id))
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def follow(self, job_id: str) -> None:
        """Hears the job's events to the last one, over as many connections as it takes, or until the job is removed."""
        follower, after = f"{self.tenant}'s follower {next(self._numbers)} of {job_id}", None

        async def ended() -> bool:
            nonlocal after
            stream = Stream(self.tenant, job_id, follower, after)
            self._history.streams.append(stream)
            await self._hear(stream)
            after = stream.events[-1][0] if stream.events else after
            is_gone = stream.status == 404 and job_id in self._history.deleted()
            return is_gone or (bool(stream.events) and stream.events[-1][1] in ENDS)

        await wait_until_async(ended, 120)

    async def _hear(self, stream: Stream) -> None:
        headers = {} if stream.after is None else {"Last-Event-ID": stream.after}
        decoder, patience = Decoder(), httpx.Timeout(IMPATIENCE_SECONDS, read=15)
        try:
            async with self._http.stream(
                "GET", f"/v1/jobs/{stream.job_id}/events", headers=headers, timeout=patience
            ) as response:
                stream.status = response.status_code
                async for piece in response.aiter_bytes() if response.status_code == 200 else _nothing():
                    stream.events += [(message.id, message.name) for message in decoder.feed(piece)]
        except httpx.TransportError:
            return


async def _nothing() -> AsyncIterator[bytes]:
    for nothing in ():
        yield nothing
