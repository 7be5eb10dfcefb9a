"""Certificates of a small authority of the tests' own, made when they are needed and kept nowhere else."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

YEAR = timedelta(days=365)


class Signed(NamedTuple):
    """PEM files: the chain, the signer's own certificate first; its key; and who vouches for it."""

    chain: Path
    key: Path
    authority: Path


def make_signer(folder: Path, organization: str = "Acme Pictures") -> Signed:
    """An authority, and a certificate for signing that it has given."""
    root, leaf = generate_private_key(SECP256R1()), generate_private_key(SECP256R1())
    authority = _certificate("Authority of the tests", root, "Authority of the tests", root, is_authority=True)
    own = _certificate(organization, leaf, "Authority of the tests", root, is_authority=False)
    signed = Signed(folder / "chain.pem", folder / "key.pem", folder / "authority.pem")
    folder.mkdir(parents=True, exist_ok=True)
    signed.authority.write_bytes(authority.public_bytes(Encoding.PEM))
    signed.chain.write_bytes(own.public_bytes(Encoding.PEM) + authority.public_bytes(Encoding.PEM))
    signed.key.write_bytes(leaf.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return signed


def _name(organization: str) -> x509.Name:
    names = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    return x509.Name([x509.NameAttribute(name, organization) for name in names])


def _certificate(
    subject: str, key: EllipticCurvePrivateKey, issuer: str, signer: EllipticCurvePrivateKey, *, is_authority: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + YEAR)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if not is_authority:
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(purpose, critical=True)
    return builder.sign(signer, hashes.SHA256())
