"""What the service says of where a picture comes from, as types: verdicts, receipts, and the keys that check them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from safelight.fields import CompleteRequest

Verdict = Literal["valid", "resaved", "altered", "unknown_key", "invalid_signature", "stripped", "unsigned"]
ManifestStatus = Literal["none", "stripped", "trusted", "untrusted", "invalid", "unread"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says: the complete request of the one picture, and what it was made with. Units: pixels."""

    version: Literal[1]
    media_type: str
    width: int
    height: int
    pixels_sha256: str
    content_sha256: str
    weights_sha256: str
    text_sha256: str
    files: Mapping[str, str]
    versions: Mapping[str, str]
    certificate: Mapping[str, Any] | None
    changes: tuple[str, ...]
    c2pa: bool
    request: CompleteRequest


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the C2PA manifest of a file is worth."""

    status: ManifestStatus
    why: str
    signed_by: str | None
    source_types: tuple[str, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verification:
    """What a file's receipt is worth. The receipt is proven where the status is valid, resaved or altered."""

    object: Literal["verification"]
    status: Verdict
    why: str
    sha256: str
    key_id: str | None
    receipt: Receipt | None
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class ReceiptKey:
    """A public key, as a JSON Web Key."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    alg: Literal["EdDSA"]
    use: Literal["sig"]


@dataclass(frozen=True, slots=True)
class ReceiptKeys:
    """Every key that has signed receipts, as a JSON Web Key Set."""

    keys: tuple[ReceiptKey, ...]
