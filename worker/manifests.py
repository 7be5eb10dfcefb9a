"""C2PA manifests: what the industry's readers are told of a picture, as the very last write of its file.

The package that writes them is large, so it is an extra of its own (`c2pa`), imported when the first one is written.
"""

import importlib.util
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from contract.settings import SettingError
from contract.versions import SAFELIGHT
from worker.settings import WorkerSettings

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
"""The digital source type of what a trained model has made. Source: IPTC NewsCodes."""

CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}

DEFINITION: dict[str, Any] = {
    "claim_generator_info": [{"name": "Safelight", "version": SAFELIGHT}],
    "assertions": [
        {"label": "c2pa.actions.v2", "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": GENERATED}]}}
    ],
}
"""What every manifest says: made, and by what kind of maker. How, the receipt says."""

OFFLINE = {
    "builder": {"thumbnail": {"enabled": False}},
    "verify": {"verify_after_sign": False, "ocsp_fetch": False, "remote_manifest_fetch": False},
}
"""No second picture in the file, and no question to the network."""


@dataclass(frozen=True)
class ManifestWriter:
    """Writes manifests with one certificate. `algorithm` is C2PA's name of what the key does."""

    certificates: bytes
    key: bytes
    algorithm: str

    def written(self, content: bytes, media_type: str) -> bytes:
        """The file with its manifest: other bytes each time, as a manifest has a random name and a time in it."""
        import c2pa

        signer = c2pa.Signer.from_info(
            c2pa.C2paSignerInfo(self.algorithm, self.certificates, self.key, None)  # No authority says when.
        )
        output = io.BytesIO()
        context = c2pa.Context.from_dict(OFFLINE)
        c2pa.Builder(DEFINITION, context).sign(signer, media_type, io.BytesIO(content), output)
        return output.getvalue()


def manifest_writer(settings: WorkerSettings) -> ManifestWriter | None:
    """What writes manifests, or None where no certificate is set. Raises: SettingError."""
    certificate, key = settings.c2pa_certificate, settings.c2pa_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise SettingError("SAFELIGHT_C2PA_CERTIFICATE and SAFELIGHT_C2PA_KEY are both needed, or neither.")
    if importlib.util.find_spec("c2pa") is None:
        raise SettingError("SAFELIGHT_C2PA_CERTIFICATE is set, and c2pa-python is not installed.")
    certificates, private = _read(certificate), _read(key)
    return ManifestWriter(certificates, private, _algorithm(certificates, private, certificate, key))


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingError(f"{file} cannot be read: {error}") from error


def _algorithm(certificates: bytes, private: bytes, certificate_file: Path, key_file: Path) -> str:
    """What the key does, once it is known to be the certificate's. Raises: SettingError."""
    try:
        leaf, *_ = x509.load_pem_x509_certificates(certificates)
    except ValueError as error:
        raise SettingError(f"{certificate_file} holds no certificate in PEM: {error}") from error
    try:
        key = load_pem_private_key(private, password=None)
    except (ValueError, TypeError) as error:
        raise SettingError(f"{key_file} holds no private key in PEM: {error}") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        raise SettingError(f"{key_file} is not the key of the first certificate in {certificate_file}.")
    match key:
        case EllipticCurvePrivateKey() if key.curve.name in CURVES:
            return CURVES[key.curve.name]
        case Ed25519PrivateKey():
            return "ed25519"
        case RSAPrivateKey():
            return "ps256"
    raise SettingError(f"{key_file} is a key of a kind that C2PA does not know.")
