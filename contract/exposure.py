"""Whom an address lets in, and that nobody from elsewhere is let in while there are no keys."""

from ipaddress import ip_address

from contract.keys import KeyStore


class NoKeyError(Exception):
    """The service would be open to other machines, and there is no key that they would need."""


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address. A name is not resolved: another machine may answer to it later."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def check_exposure(host: str, keys: KeyStore) -> bool:
    """Whether there are keys. Raises: NoKeyError, StoreUnavailable."""
    guarded = bool(await keys.all())
    if not guarded and not is_loopback(host):
        raise NoKeyError(
            f"Other machines can reach {host}, and there is no API key. Listen on 127.0.0.1 (SAFELIGHT_HOST), make a "
            "key with `python -m app.keys create --tenant NAME` while the store runs, and start again."
        )
    return guarded
