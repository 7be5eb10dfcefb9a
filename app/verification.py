"""What a file's receipt is worth: who signed it, and whether the file is what was signed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from app.looking import Seen
from app.manifests import ManifestShown
from contract.receipt_keys import PublicKey
from contract.receipts import MalformedReceiptError, Receipt, SignedReceipt
from contract.sealed_files import Parted, parted

Verdict = Literal["valid", "resaved", "altered", "unknown_key", "invalid_signature", "stripped", "unsigned"]

WHY: dict[Verdict, str] = {
    "valid": "The receipt was signed here, and every byte of the picture is as it was signed.",
    "resaved": "The receipt was signed here, and so were these pixels; the bytes around them have been written anew.",
    "altered": "The receipt was signed here, for other pixels than these.",
    "unknown_key": "There is a receipt, signed by a key that this service does not know.",
    "invalid_signature": "There is a receipt, and it does not say what was signed.",
    "stripped": "There is no receipt, and something else says that the picture was made by Safelight. Anybody could "
    "have written that.",
    "unsigned": "There is no receipt.",
}

PROVEN: tuple[Verdict, ...] = ("valid", "resaved", "altered")
"""What is said of files whose receipt was signed here, whatever became of the file."""


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found out about a file. `receipt` is what stands in it, also where nobody has signed that."""

    verdict: Verdict
    sha256: str
    signed_sha256: str
    manifest: ManifestShown
    key_id: str | None = None
    receipt: Receipt | None = None


def examine(content: bytes, seen: Seen, keys: Mapping[str, PublicKey]) -> Examined:
    """Holds a picture against its receipt, and that against the keys; `seen` is what a decoder has said of it.

    Raises: UnsupportedFile, DamagedFile.
    """
    parts = parted(content)
    verdict, signed = _receipt(parts, seen, keys)
    sent, up_to_receipt = (hashlib.sha256(part).hexdigest() for part in (content, parts.signed))
    if signed is None:
        return Examined(verdict, sent, up_to_receipt, seen.manifest or ManifestShown.of("none"))
    missing = ManifestShown.of("stripped" if signed.receipt.c2pa else "none")
    return Examined(verdict, sent, up_to_receipt, seen.manifest or missing, signed.key_id, signed.receipt)


def _receipt(parts: Parted, seen: Seen, keys: Mapping[str, PublicKey]) -> tuple[Verdict, SignedReceipt | None]:
    """The verdict, and what stands in the file, if that is a receipt at all."""
    if parts.receipt is None:
        return "stripped" if seen.manifest or seen.claims else "unsigned", None
    try:
        signed = SignedReceipt.read(parts.receipt)
    except MalformedReceiptError:
        return "invalid_signature", None
    return _signature(signed, keys) or _picture(parts, seen, signed.receipt), signed


def _signature(signed: SignedReceipt, keys: Mapping[str, PublicKey]) -> Verdict | None:
    """What is wrong with it; None where nothing is."""
    key = keys.get(signed.key_id)
    if key is None:
        return "unknown_key"
    return None if signed.holds(key) else "invalid_signature"


def _picture(parts: Parted, seen: Seen, receipt: Receipt) -> Verdict:
    if hashlib.sha256(parts.bare).hexdigest() == receipt.content_sha256:
        return "valid"
    return "resaved" if seen.pixels_sha256 == receipt.pixels_sha256 else "altered"
