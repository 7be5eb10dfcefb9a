"""Which files a model was made from, as one short name: equal digests mean equal bytes under equal names."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple


class Digests(NamedTuple):
    """Two SHA-256 digests in hex: of what is read to understand a prompt, and of what makes the picture."""

    text: str
    weights: str


class Ingredients(NamedTuple):
    """What one picture was made from: its model's digests, and those of adapters by their ids."""

    text: str
    weights: str
    adapters: Mapping[str, str] = MappingProxyType({})


NOTHING = Ingredients("", "")
"""Of a picture of whose model nothing is known."""


def digest_of(digests: Mapping[str, str]) -> str:
    """The digest of files, by their names and their own digests; the order is of no importance."""
    lines = (f"{name}\n{digest}\n" for name, digest in sorted(digests.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_digests(folder: Path, files: Iterable[Path]) -> dict[str, str]:
    """The digest of each file, by its name in the folder; large files are read piece by piece. Raises: OSError."""
    return {file.relative_to(folder).as_posix(): _file_digest(file) for file in files}


def _file_digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
