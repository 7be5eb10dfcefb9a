"""Addresses that open one picture for a while, for whoever has them: how they are signed, and how that is checked."""

import hmac
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from contract.signing import SigningSecret

MINUTE = 60

NAMES = ("tenant", "expires", "key", "signature")
"""The parameters of a signed address."""


@dataclass(frozen=True, slots=True)
class SignedAddress:
    """What a signed address claims, and the signature that it claims it with."""

    method: str
    tenant: str
    artifact_id: str
    expires: str
    secret_id: str
    signature: str = ""

    @classmethod
    def read(cls, method: str, artifact_id: str, query: Mapping[str, str]) -> "SignedAddress | None":
        """What a request claims; None where it claims nothing."""
        if "signature" not in query:
            return None
        tenant, expires, secret_id, signature = (query.get(name, "") for name in NAMES)
        return cls(method, tenant, artifact_id, expires, secret_id, signature)

    def right_signature(self, secret: SigningSecret) -> str:
        """The signature that it should have: of all that it claims, each on a line of its own."""
        claims = (self.method, self.tenant, self.artifact_id, self.expires, self.secret_id)
        return hmac.digest(bytes.fromhex(secret.secret), "\n".join(claims).encode(), "sha256").hex()

    def holds(self, secret: SigningSecret) -> bool:
        """Whether it was signed with this secret, and its time is not over."""
        signed = hmac.compare_digest(self.right_signature(secret).encode(), self.signature.encode())
        return signed and int(self.expires) >= time.time()


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs addresses of a tenant's pictures. They hold for `seconds` less up to a minute: equal ones are cached."""

    tenant: str
    secret: SigningSecret
    seconds: int

    def query(self, artifact_id: str) -> str:
        """What comes behind the address of a picture, so that it may be read with GET."""
        end = time.time() + self.seconds
        expires = str(int(end - end % MINUTE if self.seconds > MINUTE else end))
        claims = SignedAddress("GET", self.tenant, artifact_id, expires, self.secret.id)
        values = (self.tenant, expires, self.secret.id, claims.right_signature(self.secret))
        return urlencode(dict(zip(NAMES, values, strict=True)))
