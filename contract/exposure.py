"""Whom an address lets in, and that nobody from elsewhere is let in while there are no keys."""

from ipaddress import ip_address

from contract.errors import StoreUnavailable
from contract.keys import KeyStore


class NoKeyError(Exception):
    """The service would be open to other machines, and there is no key that they would need."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name is not resolved: another machine may answer to it later."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def check_exposure(host: str, keys: KeyStore, *, open_to_others: bool = False) -> bool:
    """Whether there are keys. Where others are let in only with one, there must be one, or nobody can tell.

    Raises: NoKeyError; StoreUnavailable, where only this machine is let in, or everybody.
    """
    anybody = open_to_others or is_loopback(host)
    try:
        guarded = bool(await keys.all())
    except StoreUnavailable as error:
        if anybody:
            raise
        raise NoKeyError(f"Other machines can reach {host}, and the store cannot be asked for API keys.") from error
    if not guarded and not anybody:
        raise NoKeyError(
            f"Other machines can reach {host}, and there is no API key. Listen on 127.0.0.1 (SAFELIGHT_HOST), make a "
            "key with `python -m app.keys create --tenant NAME` while the store runs, and start again; or say with "
            "SAFELIGHT_OPEN_TO_OTHERS=true that something else guards the port."
        )
    return guarded
