"""Files with receipts, as a worker writes them, of pictures that no model made."""

import hashlib
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from PIL import Image

from contract.artifact import MEDIA_TYPES
from contract.receipt_keys import PrivateKey
from contract.receipts import Receipt, sign
from contract.request import OutputFormat
from contract.sealed_files import pixels_digest, with_receipt
from tests.conftest import complete_request
from tests.pictures import encoded, gradient, pixels_of

FORMATS: tuple[OutputFormat, ...] = ("png", "jpeg", "webp")
KEY = PrivateKey(Ed25519PrivateKey.generate())

EXIF = Image.Exif()
EXIF[0x010E] = "words"


def bare_file(output_format: OutputFormat, picture: Image.Image | None = None) -> bytes:
    """A file without a receipt; WebP has EXIF, as ours have."""
    options: dict[str, Any] = {} if output_format == "png" else {"quality": 90, "exif": EXIF}
    return encoded(picture or gradient(), output_format.upper(), **options)


def receipt_of(bare: bytes, output_format: OutputFormat, **changes: Any) -> Receipt:
    """What a worker would say of a file."""
    width, height, pixels = pixels_of(bare)
    said = {
        "request": complete_request(model="safelight-emoji", output_format=output_format, height=128, width=128),
        "media_type": MEDIA_TYPES[output_format],
        "width": width,
        "height": height,
        "pixels_sha256": pixels_digest(width, height, pixels),
        "content_sha256": hashlib.sha256(bare).hexdigest(),
        "weights_sha256": "11",
        "text_sha256": "22",
        "files": {},
        "versions": {"safelight": "0.0.9", "torch": "1.0"},
        "certificate": None,
    }
    return Receipt.model_validate(said | changes)


def sealed_file(output_format: OutputFormat = "png", key: PrivateKey = KEY, **changes: Any) -> bytes:
    """A file with its receipt."""
    bare = bare_file(output_format)
    return with_receipt(bare, sign(receipt_of(bare, output_format, **changes), key))
