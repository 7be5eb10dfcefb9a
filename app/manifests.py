"""C2PA manifests in files that are checked: what stands in one, and whether it holds."""

import importlib.util
import io
import json
from pathlib import Path
from typing import Any, Literal

from cryptography import x509
from pydantic import BaseModel, Field

from contract.settings import SettingError

ManifestStatus = Literal["none", "stripped", "trusted", "untrusted", "invalid", "unread"]

WHY: dict[ManifestStatus, str] = {
    "none": "There is no manifest, and none was written.",
    "stripped": "A manifest was written into this picture, and is not there any more.",
    "trusted": "The manifest holds, and its certificate leads to one that this service trusts.",
    "untrusted": "The manifest holds, and nobody here vouches for its certificate.",
    "invalid": "The manifest does not hold: the file was changed after it was written, or it is broken.",
    "unread": "There is a manifest, and this service has not the package that reads it (c2pa-python).",
}

UNTRUSTED = "signingCredential.untrusted"
"""C2PA's word for a certificate that leads to nothing that is trusted."""


class ManifestShown(BaseModel):
    """What was found out about the C2PA manifest of a file."""

    status: ManifestStatus = Field(
        description="`none`: there is none, and none was written. `stripped`: the receipt says that one was written, "
        "and it is gone. `trusted`, `untrusted`: it holds, and its certificate leads to one that the operator trusts, "
        "or does not. `invalid`: it does not hold. `unread`: there is one, and nothing here to read it with.",
        examples=["untrusted"],
    )
    why: str = Field(description="The same, for people.", examples=[WHY["untrusted"]])
    signed_by: str | None = Field(
        default=None, description="Whose certificate it was signed with; null where there is none.", examples=["Acme"]
    )
    source_types: list[str] = Field(
        default_factory=list,
        description="The digital source types of the actions in it, in IPTC's words.",
        examples=[["http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"]],
    )
    problems: list[str] = Field(
        default_factory=list,
        description="C2PA's words for what is wrong with it.",
        examples=[["assertion.dataHash.mismatch"]],
    )

    @classmethod
    def of(cls, status: ManifestStatus, **found: Any) -> "ManifestShown":
        """A status, and what else was found."""
        return cls(status=status, why=WHY[status], **found)


def read_manifest(content: bytes, media_type: str, anchors: str | None) -> ManifestShown:
    """What a manifest that is there is worth; `anchors` are the certificates that the operator trusts, as PEM."""
    if importlib.util.find_spec("c2pa") is None:
        return ManifestShown.of("unread")
    import c2pa

    context = c2pa.Context.from_dict(_settings(anchors))
    try:
        reader = c2pa.Reader(media_type, io.BytesIO(content), context=context)
    except c2pa.C2paError as error:
        return ManifestShown.of("invalid", problems=[str(error).partition(":")[0]])
    return _judged(json.loads(reader.json()))


def trusted_certificates(file: Path | None) -> str | None:
    """The certificates that the operator trusts, as PEM. Raises: SettingError."""
    if file is None:
        return None
    try:
        content = file.read_bytes()
        x509.load_pem_x509_certificates(content)
        return content.decode("ascii")
    except (OSError, ValueError) as error:
        raise SettingError(f"{file}, the certificates that are trusted, cannot be read: {error}") from error


def _settings(anchors: str | None) -> dict[str, Any]:
    trust = {} if anchors is None else {"trust": {"trust_anchors": anchors}}
    return {"verify": {"ocsp_fetch": False, "remote_manifest_fetch": False, "verify_trust": True}, **trust}


def _judged(store: dict[str, Any]) -> ManifestShown:
    """What C2PA's reader says of a store of manifests, about the one that counts."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    results = store.get("validation_results", {}).get("activeManifest", {})
    problems = sorted({one["code"] for one in results.get("failure", [])})
    found = {
        "signed_by": (manifest.get("signature_info") or {}).get("issuer"),
        "source_types": _source_types(manifest),
        "problems": problems,
    }
    if not manifest or set(problems) - {UNTRUSTED}:
        return ManifestShown.of("invalid", **found)
    return ManifestShown.of("untrusted" if problems else "trusted", **found)


def _source_types(manifest: dict[str, Any]) -> list[str]:
    actions = (
        action
        for assertion in manifest.get("assertions", [])
        if assertion.get("label", "").startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions", [])
    )
    return sorted({action["digitalSourceType"] for action in actions if "digitalSourceType" in action})
