"""Receipts: what a picture's file says, signed, of how it was made.

A receipt is a JSON Web Signature in its compact form (RFC 7515) with Ed25519 (RFC 8037), so that any JOSE library can
check it. Nothing in it depends on the clock or on chance: the same picture is the same file.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from contract.receipt_keys import PrivateKey, PublicKey, decoded, encoded
from contract.request import CompleteRequest

LONGEST = 512 * 1024
"""Characters; the largest request makes some hundred thousand, and what is longer is none of ours."""

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class Made(BaseModel):
    """What one picture was made with, and what its file was: all of a receipt but the request."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = Field(default=1, description="The form of the receipt.", examples=[1])
    media_type: str = Field(description="How the picture is encoded.", examples=["image/png"])
    width: int = Field(description="Pixels.", examples=[128])
    height: int = Field(description="Pixels.", examples=[128])
    pixels_sha256: str = Field(
        description="Hex digest of `<width>x<height>:` and of the pixels as they are in the file, decoded: red, green "
        "and blue in a byte each, row by row.",
        examples=[SHA256],
    )
    content_sha256: str = Field(
        description="Hex digest of the file without this receipt, and without what was written after it.",
        examples=[SHA256],
    )
    weights_sha256: str = Field(
        description="Names the files of the network and the autoencoder, all of them.", examples=[SHA256]
    )
    text_sha256: str = Field(
        description="Names the files of the text encoders; empty where `weights_sha256` covers them.", examples=[SHA256]
    )
    files: dict[str, str] = Field(
        description="Hex digests of the adapters, classifiers and files that the request names, by their ids.",
        examples=[{"gilded": SHA256}],
    )
    versions: dict[str, str] = Field(
        description="Of the software that decides pixels and bytes.",
        examples=[{"safelight": "0.1.0", "torch": "2.13.0"}],
    )
    certificate: dict[str, Any] | None = Field(
        default=None,
        description="What was measured of how far the picture can be made again, as in `GET /v1/models/{id}`; null "
        "where nothing was.",
        examples=[{"digest": "9f86d081884c7d65", "reproducibility": "exact", "device": "cpu"}],
    )
    changes: tuple[str, ...] = Field(
        default=(), description="What was done to the pixels after they were decoded.", examples=[[]]
    )
    c2pa: bool = Field(
        default=False, description="Whether a C2PA manifest was written into the file after this.", examples=[False]
    )


class Receipt(Made):
    """A receipt: the complete request of this one picture, and what it was made with."""

    request: CompleteRequest

    @property
    def made(self) -> Made:
        """All but the request."""
        return Made.model_validate(self.model_dump(exclude={"request"}))


class MalformedReceiptError(Exception):
    """What stands where a receipt should is none."""


class Header(BaseModel):
    """How a receipt is signed, and with which key."""

    alg: Literal["EdDSA"] = "EdDSA"
    kid: str
    typ: Literal["safelight-receipt"] = "safelight-receipt"


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A receipt as it stands in a file, of which nothing is known yet but its form."""

    key_id: str
    receipt: Receipt
    signed: bytes
    signature: bytes

    @classmethod
    def read(cls, text: str) -> Self:
        """What is said. Raises: MalformedReceiptError."""
        try:
            head, body, signature = text[:LONGEST].split(".")
            header = Header.model_validate_json(decoded(head))
            receipt = Receipt.model_validate_json(decoded(body))
            return cls(header.kid, receipt, f"{head}.{body}".encode(), decoded(signature))
        except ValueError as error:
            raise MalformedReceiptError("This is no receipt.") from error

    def holds(self, key: PublicKey) -> bool:
        """Whether this key has signed it."""
        return key.holds(self.signature, self.signed)


def sign(receipt: Receipt, key: PrivateKey) -> str:
    """The receipt as text for a file."""
    header = Header(kid=key.public.id).model_dump_json()
    said = json.dumps(receipt.model_dump(mode="json", exclude_none=True), ensure_ascii=False, separators=(",", ":"))
    signed = f"{encoded(header.encode())}.{encoded(said.encode())}"
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


class Difference(BaseModel):
    """Something that was another way when the picture was made first."""

    model_config = ConfigDict(frozen=True)

    what: str = Field(description="Its name, a dotted path in the receipt.", examples=["versions.torch"])
    then: str | None = Field(description="What it was; null where it was not there.", examples=["2.12.0"])
    now: str | None = Field(description="What it is; null where it is not there.", examples=["2.13.0"])


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What is not the same in two JSON objects, leaf by leaf, in the order of their names."""
    before, after = dict(_leaves(then)), dict(_leaves(now))
    names = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    return tuple(Difference(what=name, then=before.get(name), now=after.get(name)) for name in names)


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            for key, part in value.items():
                yield from _leaves(part, f"{name}.{key}" if name else key)
        case None:
            return
        case _:
            yield name, value if isinstance(value, str) else json.dumps(value)
