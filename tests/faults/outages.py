"""What must hold while the store is away, and when it is back."""

import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.faults.client import BODY
from tests.faults.site import Part, Site, is_gone
from tests.waiting import wait_until_async

REFUSED_WITHIN_SECONDS = 2.0
BACK_WITHIN_SECONDS = 5.0
STAYING: tuple[Part, ...] = ("api", "parent", "child")


async def kill(site: Site, part: Part) -> None:
    """Kills a process that nobody starts again, and waits for its end."""
    process = site.process(part)
    process.send_signal(signal.SIGKILL)

    async def gone() -> bool:
        return is_gone(process)

    await wait_until_async(gone, 10)


async def refuses(site: Site, seconds: float) -> None:
    """For so long, every call is refused in time, and says when to come back."""
    until = time.monotonic() + seconds

    async def over() -> bool:
        for method, path in (("POST", "/v1/generations"), ("GET", "/v1/jobs"), ("GET", "/readyz")):
            call = await site.ada.call(method, path, body=BODY if method == "POST" else None, key=f"during {until}")
            assert call.status == 503, call
            assert int(call.retry_after or 0) > 0, call
            assert (call.answered_at or 0) - call.sent_at < REFUSED_WITHIN_SECONDS, call
        return time.monotonic() >= until

    await wait_until_async(over, seconds + 30)


@asynccontextmanager
async def everybody_stays(site: Site) -> AsyncIterator[None]:
    """The API, the worker and its child are the same processes afterwards."""
    before = [site.process(part) for part in STAYING]
    yield
    said = (line for line in site.installation.log.read_text().splitlines() if "safelight.access" not in line)
    assert [site.process(part) for part in STAYING] == before, "\n".join([*said][-100:])
    assert not any(is_gone(process) for process in before)


async def is_back(site: Site, job_id: str) -> None:
    """Jobs are taken again, and a running one is seen to go on, soon after now."""
    since = time.monotonic()
    step = 0

    async def accepted() -> bool:
        return (await site.ada.call("POST", "/v1/generations", body=BODY, key=f"after {since}")).succeeded

    async def goes_on() -> bool:
        nonlocal step
        job = await site.ada.read(job_id)
        before, step = step, job["progress"]["step"] if job else 0
        return 0 < before < step

    await wait_until_async(accepted, BACK_WITHIN_SECONDS)
    await wait_until_async(goes_on, BACK_WITHIN_SECONDS)
    assert time.monotonic() - since < BACK_WITHIN_SECONDS
