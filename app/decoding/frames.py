"""What the API and a decoder say to each other: lengths, a few words as JSON, and bytes; nothing that could be code."""

import json
import struct
from collections.abc import Mapping
from typing import Any, Literal

Verb = Literal["picture", "lesson", "texts", "look"]
"""What is to be made of a file: the picture as it is kept, or as models learn from it, the texts in it, or what is to
be known to verify it.
"""

LENGTHS = struct.Struct("<IQ")
"""Bytes of the words, and of what follows them."""

MAX_WORDS_BYTES = 64 * 1024


def packed(words: Mapping[str, Any], content: bytes) -> bytes:
    """One message; `words` are few."""
    text = json.dumps(words).encode()
    return LENGTHS.pack(len(text), len(content)) + text + content
