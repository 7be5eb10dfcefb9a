"""Pictures are decoded elsewhere: what crashes, hangs or swells there is an error of one picture, and nothing else."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import psutil
import pytest
from PIL import Image

from app.decoding.decoders import Decoder, DecoderEnded, Decoders
from app.pictures import Limits
from app.settings import AppSettings
from contract.errors import DamagedFile, LimitExceeded
from tests.app.conftest import ROOT, Api, assert_error, client_of
from tests.pictures import encoded, gradient
from tests.waiting import wait_until_async

LIMITS = Limits(max_image_bytes=32_000_000, max_image_side=4096, max_image_pixels=4096 * 4096)
SMALL = encoded(gradient())
LARGE = encoded(Image.new("RGBA", (4096, 4096)))
PLENTY = 1 << 30


def with_many_scans() -> bytes:
    """A JPEG that may be sent, and takes seconds to decode."""
    whole = encoded(Image.new("L", (4096, 4096)), "JPEG", progressive=True)
    last = whole[whole.rfind(b"\xff\xda") : -2]
    return whole[:-2] + last * 90 + whole[-2:]


SLOW = with_many_scans()

StartDecoders = Callable[..., Decoders]


@pytest.fixture
async def decoders_with() -> AsyncIterator[StartDecoders]:
    """Makes decoders, which are closed in the end."""
    made: list[Decoders] = []

    def start(**options: float) -> Decoders:
        made.append(Decoders(LIMITS, **options))  # type: ignore[arg-type]
        return made[-1]

    yield start
    for decoders in made:
        decoders.close()


def processes(parent: int | None = None) -> set[psutil.Process]:
    """The decoders of a process, of this one by default."""
    found = set()
    for child in psutil.Process(parent).children():
        try:
            if "app.decoding" in child.cmdline():
                found.add(child)
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return found


def computing(parent: int | None = None) -> Callable[[], Awaitable[psutil.Process | None]]:
    """The decoder that has begun to decode since this was called."""
    before = {one.pid: one.cpu_times().user for one in processes(parent)}

    async def found() -> psutil.Process | None:
        return next((one for one in processes(parent) if one.cpu_times().user - before.get(one.pid, 0) > 0.3), None)

    return found


async def test_a_decoder_that_crashes_is_replaced(decoders_with: StartDecoders) -> None:
    decoders = decoders_with()
    decoding = asyncio.create_task(decoders.picture(SLOW))
    victim = await wait_until_async(computing(), 20)
    victim.send_signal(signal.SIGSEGV)
    with pytest.raises(DamagedFile):
        await decoding
    assert (await decoders.picture(SMALL)).width == gradient().width
    assert victim not in processes()


async def test_one_that_has_ended_while_it_waited_is_replaced(decoders_with: StartDecoders) -> None:
    decoders = decoders_with()
    await decoders.picture(SMALL)
    (victim,) = processes()
    victim.kill()

    async def ended() -> bool:
        return not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE

    await wait_until_async(ended, 5)
    assert (await decoders.picture(SMALL)).width == gradient().width


async def test_a_decoder_that_hangs_is_ended(decoders_with: StartDecoders) -> None:
    decoders = decoders_with(seconds=3)
    await decoders.picture(SMALL)
    (victim,) = processes()
    victim.suspend()
    with pytest.raises(LimitExceeded, match="longer than 3 seconds"):
        await decoders.picture(SMALL)
    assert not processes()


async def test_a_decoder_ends_itself_when_nobody_else_does() -> None:
    """As when this process hangs or is gone: a decoder computes no longer than it may."""
    decoder = Decoder(LIMITS, 0.5, PLENTY)
    with pytest.raises(DecoderEnded):
        await asyncio.wait_for(decoder.ask("picture", SLOW), 20)
    assert decoder.process.wait(5) == -signal.SIGXCPU
    decoder.end()


async def test_a_picture_that_takes_too_much_memory_is_refused(decoders_with: StartDecoders) -> None:
    decoders = decoders_with(memory_bytes=160_000_000)
    with pytest.raises(LimitExceeded, match="memory"):
        await decoders.picture(LARGE)
    assert (await decoders.picture(SMALL)).width == gradient().width
    assert len(processes()) == 1


async def test_the_largest_pictures_fit(decoders_with: StartDecoders) -> None:
    decoders = decoders_with()
    noise = Image.frombytes("RGBA", (2048, 4096), os.urandom(2048 * 4096 * 2) + bytes(2048 * 4096 * 2))
    for content in (LARGE, encoded(Image.new("CMYK", (4096, 4096)), "JPEG"), encoded(noise, compress_level=1)):
        assert (await decoders.picture(content)).height == 4096


async def test_a_call_that_is_given_up_leaves_no_decoder_at_work(decoders_with: StartDecoders) -> None:
    decoders = decoders_with()
    decoding = asyncio.create_task(decoders.picture(SLOW))
    await wait_until_async(computing(), 20)
    decoding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await decoding
    assert not processes()


async def test_a_decoder_has_nothing_to_lose(decoders_with: StartDecoders) -> None:
    await decoders_with().picture(SMALL)
    (decoder,) = processes()
    assert set(decoder.environ()) == {"PYTHONPATH"}
    assert decoder.rlimit(psutil.RLIMIT_FSIZE) == (0, 0)
    assert decoder.rlimit(psutil.RLIMIT_CORE) == (0, 0)
    assert max(decoder.rlimit(psutil.RLIMIT_AS)) < PLENTY
    assert not decoder.net_connections("inet")


def test_a_decoder_knows_neither_http_nor_the_store() -> None:
    unwanted = "{'fastapi', 'starlette', 'redis', 'pydantic', 'obstore', 'httpx'}"
    code = f"import app.decoding.__main__, sys; assert not {unwanted} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


async def test_an_application_that_ends_leaves_no_decoder(settings: AppSettings) -> None:
    async with client_of(settings) as client:
        assert (await client.post("/v1/files", files={"file": SMALL})).status_code == 201
        assert processes()
    assert not processes()


async def test_a_crash_is_one_callers_error_and_others_are_served_meanwhile(api: Api) -> None:
    async with api.client() as client:

        async def send(content: bytes) -> httpx.Response:
            return await client.post("/v1/files", files={"file": content})

        slow = asyncio.create_task(send(SLOW))
        victim = await wait_until_async(computing(api.process.pid), 20)
        assert (await send(SMALL)).status_code == 201
        victim.send_signal(signal.SIGSEGV)
        assert_error(await slow, 422, "damaged_file", "file")
        assert (await send(SMALL)).status_code == 201
    assert api.process.poll() is None
