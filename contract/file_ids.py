"""What kinds of files there are, what their ids look like, and where their bytes are."""

import re
import secrets
from typing import Literal

FileKind = Literal["image", "weights"]
"""`image` is a picture; `weights` are those of an adapter."""

FILE_ID = re.compile(r"file_[0-9a-f]{32}")


def new_file_id() -> str:
    """A fresh id of 128 random bits: it says nothing of the content, and nobody can guess another's."""
    return f"file_{secrets.token_hex(16)}"


def storage_key_of(file_id: str) -> str:
    """Where the bytes of a file are in the artifact store."""
    return f"files/{file_id}"
