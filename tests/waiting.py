"""Waiting for a condition, the only way in which a test may wait."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL_SECONDS = 0.02


def wait_until(condition: Callable[[], T], timeout_seconds: float, describe: Callable[[], str] = str) -> T:
    """The first truthy value of `condition`; fails with what `describe` says when there is none in time."""
    deadline = time.monotonic() + timeout_seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds} s: {describe()}")
        time.sleep(INTERVAL_SECONDS)
    return value


async def wait_until_async(condition: Callable[[], Awaitable[T]], timeout_seconds: float) -> T:
    """As `wait_until`, for a condition that is awaited."""
    import asyncio

    deadline = time.monotonic() + timeout_seconds
    while not (value := await condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_seconds} s")
        await asyncio.sleep(INTERVAL_SECONDS)
    return value
