"""Calls to an application in this process, whose worker is played."""

import asyncio
from typing import Any

import httpx

from contract.job import Job
from tests.app.conftest import Player
from tests.dialects.openai.operations import EDITS, GENERATIONS, PATHS
from tests.pictures import encoded, gradient
from tests.waiting import wait_until_async

PICTURE = encoded(gradient(128, 128))


class Desk:
    """Takes calls to an application in this process, and plays the worker for those that become jobs."""

    def __init__(self, client: httpx.AsyncClient, player: Player) -> None:
        self.client = client
        self.player = player

    async def call(self, operation: str, headers: dict[str, str] | None = None, **parameters: Any) -> httpx.Response:
        """The answer to a call with these parameters, in the form that the operation takes."""
        if operation == GENERATIONS:
            body = {"prompt": "a red apple"} | parameters
            return await self.client.post(PATHS[operation], json=body, headers=headers)
        files = {"image": PICTURE} | {name: value for name, value in parameters.items() if isinstance(value, bytes)}
        texts = {"prompt": "a red apple"} if operation == EDITS else {}
        texts |= {name: _text(value) for name, value in parameters.items() if name not in files}
        return await self.client.post(PATHS[operation], data=texts, files=files, headers=headers)

    async def send(self, operation: str, **parameters: Any) -> tuple[httpx.Response, Job | None]:
        """The answer to a call, and the job that it became if it did, run to its good end."""
        answer = asyncio.ensure_future(self.call(operation, **parameters))

        async def goes_on() -> bool:
            return answer.done() or (await self.player.job_store.counts())["queued"] > 0

        await wait_until_async(goes_on, 20)
        if answer.done():
            return answer.result(), None
        lease = await self.player.finish()
        return await answer, await self.player.job_store.get(lease.job_id)

    async def accepted(self, operation: str, **parameters: Any) -> tuple[dict[str, Any], Job]:
        """The pictures of a call, and its job."""
        response, job = await self.send(operation, **parameters)
        assert response.status_code == 200, response.text
        assert job is not None
        assert response.headers["x-job-id"] == job.id
        return response.json(), job

    async def refused(self, operation: str, parameter: str | None, status: int = 400, **parameters: Any) -> str:
        """The message with which a call is refused, which names this parameter and leaves no job."""
        response, job = await self.send(operation, **parameters)
        assert job is None
        return assert_refused(response, status, parameter)


def assert_refused(response: httpx.Response, status: int, parameter: str | None, *, retry: bool = False) -> str:
    """The message of an answer that is an error, in OpenAI's shape."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json"), response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == parameter, error
    assert response.headers["x-should-retry"] == ("true" if retry else "false")
    assert response.headers["x-request-id"]
    return str(error["message"])


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
