"""Which receivers a webhook may have: the form of their URLs, and the judgement over the addresses behind a name."""

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from ipaddress import ip_address, ip_network

import httpx

from app.settings import Network
from contract.errors import InvalidRequest

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]

MAX_URL_LENGTH = 2048

PORTS = {"http": 80, "https": 443}

PUBLIC = tuple(map(ip_network, ("0.0.0.0/0", "2000::/3")))
"""Where public addresses are; all forms of IPv6 that hold an address of IPv4 but two are outside."""

NOT_PUBLIC = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16",
            "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
        ),
    )
)  # fmt: skip
"""What in there is not: private, shared, local, special, reserved, for documentation, or a way around (Teredo, 6to4).

Source: the IANA special-purpose address registries (RFC 6890 and its updates).
"""

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")


class AddressRefused(Exception):
    """A receiver is, or one of its addresses is, where webhooks may not go."""


def receiver(url: str, networks: Sequence[Network]) -> httpx.URL:
    """The URL of a receiver, in the form in which it is kept and called.

    Raises: InvalidRequest, also for an address that may not be reached; what a name stands for is judged later.
    """
    if len(url) > MAX_URL_LENGTH or _FORBIDDEN.search(url):
        raise InvalidRequest(f"A URL has at most {MAX_URL_LENGTH} characters, without spaces and backslashes.")
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidRequest("This is not a URL.") from error
    if parsed.scheme not in PORTS or not parsed.host:
        raise InvalidRequest("Webhooks are sent to http: and https: URLs.")
    if parsed.userinfo or parsed.fragment or not 0 < port(parsed) < 2**16:
        raise InvalidRequest("A webhook's URL has no user, no password, no fragment, and a port from 1 to 65535.")
    _check_host(parsed, networks)
    return parsed


def origin(url: httpx.URL) -> str:
    """Scheme, host and port: the receivers that share a secret."""
    host = url.raw_host.decode()
    return f"{url.scheme}://{f'[{host}]' if ':' in host else host}:{port(url)}"


def port(url: httpx.URL) -> int:
    """The port, also where the URL leaves it to the scheme."""
    return PORTS[url.scheme] if url.port is None else url.port


async def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses behind a name, as this machine sees them. Raises: socket.gaierror, UnicodeError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(where[0]) for *_, where in found))


def judged(addresses: Iterable[str], networks: Sequence[Network]) -> list[str]:
    """The same addresses, when webhooks may go to every one of them. Raises: AddressRefused."""
    found = list(addresses)
    if not found or not all(may_be_reached(address, networks) for address in found):
        raise AddressRefused
    return found


def may_be_reached(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is public, or in one of the networks that the operator allows."""
    ip = ip_address(address)
    if any(ip in network for network in networks):
        return True
    public = any(ip in network for network in PUBLIC) and not any(ip in network for network in NOT_PUBLIC)
    return public and ip.is_global and not ip.is_multicast


def _check_host(url: httpx.URL, networks: Sequence[Network]) -> None:
    """Refuses addresses that cannot be reached, and numbers that only some readers take for addresses."""
    host = url.raw_host.decode()
    try:
        reachable = may_be_reached(host, networks)
    except ValueError:
        reachable = not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]) and "%" not in host
    if not reachable:
        raise InvalidRequest("Webhooks are not sent to this address.")
