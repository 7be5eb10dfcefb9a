"""The keys that sign receipts: a private one in a worker's file, and in the store every public one that has signed."""

import base64
import hashlib
import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from contract.settings import SettingError
from contract.store_connection import StoreConnection, unavailable_when_unreachable

RECEIPT_KEYS = "safelight:receipt_keys"
"""A hash: the public half of a key, by its id."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The half that checks."""

    content: bytes

    @property
    def id(self) -> str:
        """Its thumbprint, so that the same key has the same id wherever it is. Source: RFC 7638."""
        text = json.dumps({"crv": "Ed25519", "kty": "OKP", "x": encoded(self.content)}, separators=(",", ":"))
        return encoded(hashlib.sha256(text.encode()).digest())

    @property
    def jwk(self) -> dict[str, str]:
        """The key as a JSON Web Key. Source: RFC 8037, section 2."""
        return {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": encoded(self.content),
            "kid": self.id,
            "alg": "EdDSA",
            "use": "sig",
        }

    def holds(self, signature: bytes, content: bytes) -> bool:
        """Whether the private half has signed this."""
        try:
            Ed25519PublicKey.from_public_bytes(self.content).verify(signature, content)
        except InvalidSignature:
            return False
        return True


class PrivateKey:
    """The half that signs."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key().public_bytes_raw())

    def sign(self, content: bytes) -> bytes:
        """The signature: the same bytes for the same content."""
        return self._key.sign(content)


def private_key(file: Path) -> PrivateKey:
    """The key in a PEM file; where there is none, a new one, which only this user may read. Raises: SettingError."""
    try:
        if not file.exists():
            _make(file)
        key = load_pem_private_key(file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingError(f"{file}, the key that signs receipts, cannot be read: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingError(f"{file}, the key that signs receipts, is no Ed25519 key.")
    return PrivateKey(key)


def _make(file: Path) -> None:
    """Writes a new key unless somebody else is quicker: no reader ever sees half of one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    content = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as output:
        output.write(content)
    try:
        os.link(unfinished, file)
    except FileExistsError:
        return
    finally:
        unfinished.unlink()


class ReceiptKeys:
    """Promise: a public key that was announced once is known from then on, whichever key signs now.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._redis = connection.redis

    async def announce(self, key: PublicKey) -> None:
        """Says that this key signs receipts of this service."""
        with unavailable_when_unreachable():
            await self._redis.hset(RECEIPT_KEYS, key.id, encoded(key.content))

    async def all(self) -> Mapping[str, PublicKey]:
        """Every key by its id."""
        with unavailable_when_unreachable():
            found = await self._redis.hgetall(RECEIPT_KEYS)
        return {key_id: PublicKey(decoded(content)) for key_id, content in sorted(found.items())}


def encoded(content: bytes) -> str:
    """Bytes as text, in the base64url of RFC 7515, without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def decoded(text: str) -> bytes:
    """The bytes behind such text. Raises: ValueError."""
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
