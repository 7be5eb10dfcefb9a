"""One message to one receiver: to an address that was judged, once, within a time, and without following anybody."""

import asyncio
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime

import httpx

from app.settings import Network
from app.webhooks.addresses import AddressRefused, Resolver, judged, port, resolve
from contract.outbox import Attempt, AttemptError

CONNECT_SECONDS = 5.0
"""So long one address may take to answer before the next one of the same name is tried."""

MAX_ANSWER_BYTES = 64 * 1024
MAX_ANSWER_SECONDS = 1.0
"""So much, and so long, of an answer's body is listened to; the status is all that counts."""


class Messenger:
    """Promise: names are resolved once for each message, and what is connected to is what was judged. There are no
    redirects, cookies, proxies or credentials of the environment, and no connection serves two messages.
    """

    def __init__(self, networks: Sequence[Network], *, timeout_seconds: float, resolver: Resolver = resolve) -> None:
        self._networks = networks
        self._timeout_seconds = timeout_seconds
        self._resolve = resolver
        # Connections are kept by address: one that is used again could have been opened for another name's certificate.
        unshared = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._transport = httpx.AsyncHTTPTransport(verify=httpx.create_ssl_context(), trust_env=False, limits=unshared)

    async def post(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> Attempt:
        """Sends a message, and says what came of it."""
        at, began = datetime.now(UTC), time.monotonic()
        status, error = await self._outcome(url, headers, body)
        return Attempt(at=at, seconds=round(time.monotonic() - began, 3), status_code=status, error=error)

    async def close(self) -> None:
        """Ends what is still connected."""
        await self._transport.aclose()

    async def _outcome(
        self, url: httpx.URL, headers: Mapping[str, str], body: bytes
    ) -> tuple[int | None, AttemptError | None]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._status(url, headers, body), None
        except AddressRefused:
            return None, "address_refused"
        except (socket.gaierror, UnicodeError):
            return None, "name_unknown"
        except (TimeoutError, httpx.TimeoutException):
            return None, "timed_out"
        except httpx.ConnectError as error:
            return None, "tls_failed" if _is_about_tls(error) else "unreachable"
        except (httpx.HTTPError, OSError):
            return None, "broken"

    async def _status(self, url: httpx.URL, headers: Mapping[str, str], body: bytes) -> int:
        host = url.raw_host.decode()
        *others, last = judged(await self._resolve(host, port(url)), self._networks)
        for address in others:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):
                return await self._send(_request(url, address, headers, body))
        return await self._send(_request(url, last, headers, body))

    async def _send(self, request: httpx.Request) -> int:
        response = await self._transport.handle_async_request(request)
        try:
            await _listen(response)
        finally:
            await response.aclose()
        return response.status_code


def _request(url: httpx.URL, address: str, headers: Mapping[str, str], body: bytes) -> httpx.Request:
    """The message as it is sent to an address, still in the name of its receiver."""
    timeouts = dict.fromkeys(("connect", "read", "write", "pool")) | {"connect": CONNECT_SECONDS}
    return httpx.Request(
        "POST",
        url.copy_with(host=address),
        headers={"Host": url.netloc.decode(), "Connection": "close", **headers},
        content=body,
        extensions={"sni_hostname": url.raw_host.decode(), "timeout": timeouts},
    )


async def _listen(response: httpx.Response) -> None:
    """Hears the receiver out, up to a limit."""
    num_bytes = 0
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(MAX_ANSWER_SECONDS):
            async for piece in response.aiter_raw():
                num_bytes += len(piece)
                if num_bytes > MAX_ANSWER_BYTES:
                    return


def _is_about_tls(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False
