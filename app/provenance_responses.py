"""The shapes in which receipts, verdicts and the keys that check them are shown to clients."""

from typing import Literal

from pydantic import BaseModel, Field

from app.manifests import WHY as MANIFESTS
from app.manifests import ManifestShown
from app.responses import COMPLETE, RequestShown
from app.verification import WHY, Examined, Verdict
from contract.receipt_keys import PublicKey
from contract.receipts import SHA256, Made

KEY_ID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


class ReceiptShown(Made):
    """What a receipt says: the complete request of the one picture, and what it was made with."""

    request: RequestShown = Field(
        description="The complete request of this picture alone; posted again, it makes it again.",
        examples=[COMPLETE],
    )


class VerificationShown(BaseModel):
    """What a file's receipt is worth."""

    object: Literal["verification"] = Field(
        default="verification", description="What this is.", examples=["verification"]
    )
    status: Verdict = Field(
        description="`valid`: signed here, and every byte is as it was signed, but for a C2PA manifest. `resaved`: "
        "signed here, with these pixels, in another file. `altered`: signed here, for other pixels. `unknown_key`: "
        "signed by somebody whose key is not known here. `invalid_signature`: what is said was not signed. `stripped`: "
        "no receipt, though something else in the file says that it was made by Safelight. `unsigned`: no receipt.",
        examples=["valid"],
    )
    why: str = Field(description="The same, for people.", examples=[WHY["valid"]])
    sha256: str = Field(description="Hex digest of the file that was sent.", examples=[SHA256])
    key_id: str | None = Field(description="The `kid` of the key that the receipt names; else null.", examples=[KEY_ID])
    receipt: ReceiptShown | None = Field(
        description="What the receipt says: proven where the status is `valid`, `resaved` or `altered`, and else what "
        "somebody says; null where there is none.",
        examples=[None],
    )
    manifest: ManifestShown = Field(
        description="What its C2PA manifest is worth.",
        examples=[{"status": "none", "why": MANIFESTS["none"], "signed_by": None, "source_types": [], "problems": []}],
    )

    @classmethod
    def of(cls, found: Examined) -> "VerificationShown":
        """What was found out."""
        return cls(
            status=found.verdict,
            why=WHY[found.verdict],
            sha256=found.sha256,
            key_id=found.key_id,
            manifest=found.manifest,
            receipt=None if found.receipt is None else ReceiptShown.model_validate(found.receipt.model_dump()),
        )


class ReceiptKeyShown(BaseModel):
    """A public key, as a JSON Web Key (RFC 7517, RFC 8037)."""

    kty: Literal["OKP"] = Field(description="The family of keys.", examples=["OKP"])
    crv: Literal["Ed25519"] = Field(description="The curve.", examples=["Ed25519"])
    x: str = Field(description="The key, base64url.", examples=["11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"])
    kid: str = Field(description="Its id: its thumbprint (RFC 7638).", examples=[KEY_ID])
    alg: Literal["EdDSA"] = Field(description="What it checks.", examples=["EdDSA"])
    use: Literal["sig"] = Field(description="What it is for.", examples=["sig"])


class ReceiptKeysShown(BaseModel):
    """Every key that has signed receipts of this service, as a JSON Web Key Set (RFC 7517)."""

    keys: list[ReceiptKeyShown] = Field(description="The keys, in no particular order.", examples=[[]])

    @classmethod
    def of(cls, keys: list[PublicKey]) -> "ReceiptKeysShown":
        """These keys."""
        return cls(keys=[ReceiptKeyShown.model_validate(key.jwk) for key in keys])
