"""Ending tasks for certain, though a cancellation may get lost on the way."""

import asyncio
from collections.abc import Iterable
from typing import Any

CANCEL_AGAIN_SECONDS = 0.05


async def end(tasks: Iterable[asyncio.Future[Any]]) -> None:
    """Cancels until all have ended, whatever their results.

    Again and again, as `asyncio.wait_for`, with which the store's client sends, loses a cancellation that comes just
    when it is done (Python 3.11, https://github.com/python/cpython/issues/86296).
    """
    tasks = list(tasks)
    while pending := [task for task in tasks if not task.done()]:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=CANCEL_AGAIN_SECONDS)
    await asyncio.gather(*tasks, return_exceptions=True)
