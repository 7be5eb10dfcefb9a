"""What an API key looks like: `sl_<id>_<secret><checksum>`, so that scanners of leaked secrets can tell a real one."""

import re
import secrets
import zlib
from dataclasses import dataclass
from hashlib import sha256

_KEY = re.compile(r"(sl_([0-9a-f]{12})_([0-9a-f]{64}))([0-9a-f]{8})")


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its owner has it. `secret` is 256 random bits, so one fast hash of it is as safe as a slow one.

    Slow hashes make guessing dear where a secret may be a word; of these nobody guesses one in 2²⁵⁶.
    """

    id: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret, which would stand in logs."""
        return f"KeyText({self.id})"

    def __str__(self) -> str:
        """The text to be kept by the owner."""
        body = f"sl_{self.id}_{self.secret}"
        return f"{body}{_checksum(body)}"

    @property
    def digest(self) -> str:
        """What is kept of the secret."""
        return sha256(self.secret.encode()).hexdigest()

    @classmethod
    def fresh(cls) -> "KeyText":
        """A key that nobody has had."""
        return cls(secrets.token_hex(6), secrets.token_hex(32))

    @classmethod
    def read(cls, text: str) -> "KeyText | None":
        """The key in a text; None for what is none, or has a letter wrong."""
        match = _KEY.fullmatch(text)
        if match is None or _checksum(match[1]) != match[4]:
            return None
        return cls(match[2], match[3])


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
