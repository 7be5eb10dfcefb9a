"""Who calls: what the credentials of a request say, and whose key they are."""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from app.errors import Forbidden, Unauthenticated
from app.keyring import Keyring
from app.signatures import SignedAddress, Signer
from contract.errors import UnknownArtifact
from contract.job import Priority
from contract.key_texts import KeyText
from contract.keys import Key, Scope
from contract.quotas import UNBOUNDED, Allowance
from contract.tenants import PUBLIC

KEY_SCHEMES = frozenset({"bearer", "token", "key"})
"""Words before a key: the usual one, Replicate's, and fal's."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody with rights: what belongs to another tenant does not exist for them."""

    tenant: str
    scopes: frozenset[Scope]
    priorities: frozenset[Priority]
    allowance: Allowance

    def priority(self, asked: Priority | None) -> Priority:
        """The priority that a job gets: what is asked for, else the usual one. Raises: Forbidden."""
        if asked is None:
            return next(usual for usual in USUAL if usual in self.priorities)
        if asked not in self.priorities:
            raise Forbidden(f"This API key may not ask for the priority `{asked}`.", field="priority")
        return asked


USUAL: tuple[Priority, ...] = ("normal", "low", "high")
"""What is taken where nobody asks, the first of these that a key allows."""

ANYBODY = Caller(PUBLIC, frozenset(get_args(Scope)), frozenset(get_args(Priority)), UNBOUNDED)
"""Everybody, while there are no keys."""


class Doorkeeper:
    """Tells callers by their keys."""

    def __init__(self, keyring: Keyring, *, open_without_keys: bool, signed_seconds: int) -> None:
        """While there are no keys, everybody is let in or, where others could come from elsewhere, nobody.

        `signed_seconds` is how long signed addresses hold; 0 signs none.
        """
        self._keyring = keyring
        self._open_without_keys = open_without_keys
        self._signed_seconds = signed_seconds

    async def caller(self, authorization: str | None) -> Caller:
        """Who sent this `Authorization`. Raises: Unauthenticated, StoreUnavailable."""
        text = KeyText.read(_password(authorization or ""))
        # A key that was made a moment ago is asked for here, so that its owner is never taken for anybody.
        key = None if text is None else await self._keyring.find(text.id)
        if await self._is_open():
            return ANYBODY
        if authorization is None:
            raise Unauthenticated("An API key is needed: send `Authorization: Bearer <key>`.")
        if text is None or key is None or not key.matches(text):
            raise Unauthenticated("This is not an API key of this service.")
        return _caller(key)

    async def holder(self, address: SignedAddress) -> Caller:
        """Who has a signed address: somebody who may read what it names. Raises: UnknownArtifact."""
        if await self._is_open():
            return ANYBODY
        secret = await self._keyring.find_secret(address.secret_id)
        if secret is None or not address.holds(secret):
            raise UnknownArtifact(f"There is no artifact {address.artifact_id!r}.")
        return Caller(address.tenant, frozenset({"read"}), frozenset(), UNBOUNDED)

    async def signer(self, caller: Caller) -> Signer | None:
        """What signs addresses for a caller; None for those who need no key. Raises: StoreUnavailable."""
        if caller is ANYBODY or not self._signed_seconds:
            return None
        return Signer(caller.tenant, await self._keyring.signing_secret(), self._signed_seconds)

    async def _is_open(self) -> bool:
        return self._open_without_keys and not await self._keyring.all()


def _caller(key: Key) -> Caller:
    if (state := key.state(datetime.now(UTC))) != "live":
        raise Unauthenticated(f"This API key is {state}.")
    return Caller(key.tenant, frozenset(key.scopes), frozenset(key.priorities), key.allowance)


def _password(authorization: str) -> str:
    """What stands for a key; of a user name and a password, the password. '' where nothing does."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() in KEY_SCHEMES:
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(rest.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
