"""Replays: jobs that make a picture again, and how what they made compares with what there was."""

import hashlib

from pydantic import BaseModel, ConfigDict

from contract.receipts import Difference, Made, SignedReceipt, differences
from contract.sealed_files import parted

RESULTS = {"pixels_sha256", "content_sha256"}
"""What of a receipt is what was made, and not what it was made with."""


class Replay(BaseModel):
    """What a job makes again. It travels beside the request, and is no part of what makes a picture.

    `of` is the digest of the file that was sent, `signed_sha256` of that file up to its receipt, and without what was
    written after it; `foreseen` is what was known to be different before the job ran.
    """

    model_config = ConfigDict(frozen=True)

    of: str
    signed_sha256: str
    made: Made
    foreseen: tuple[Difference, ...] = ()

    @property
    def record(self) -> dict[str, str]:
        """What a job's record says of it."""
        return {"replay": self.model_dump_json()}

    def compared(self, content: bytes) -> "Replayed":
        """How a file that was made now compares."""
        made = parted(content)
        bytes_agree = hashlib.sha256(made.signed).hexdigest() == self.signed_sha256
        if made.receipt is None:
            return Replayed(bytes_agree=bytes_agree, pixels_agree=False)
        now = SignedReceipt.read(made.receipt).receipt.made
        then, since = (one.model_dump(mode="json", exclude=RESULTS) for one in (self.made, now))
        return Replayed(
            bytes_agree=bytes_agree,
            pixels_agree=now.pixels_sha256 == self.made.pixels_sha256,
            differences=differences(then, since),
        )


class Replayed(BaseModel):
    """Whether a picture that was made again is what it was."""

    model_config = ConfigDict(frozen=True)

    bytes_agree: bool
    pixels_agree: bool
    differences: tuple[Difference, ...] = ()
