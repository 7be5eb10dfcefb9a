"""Data sets to learn from: what may be sent as one, and what the service answers."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from safelight.errors import UnreadableFile
from safelight.sources import Source, content_of

Lessons = Source | Mapping[str, Source]
"""A zip, a folder, or files by their names: pictures, captions as `.txt`, many of them as `.jsonl`, `.target.png`s."""

ProblemCode = Literal[
    "unsupported_file",
    "damaged_file",
    "limit_exceeded",
    "too_small",
    "duplicate",
    "no_caption",
    "malformed_caption",
    "caption_too_long",
    "orphaned_caption",
    "orphaned_target",
    "target_of_other_size",
]


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What was wrong with one of the files that were sent."""

    file_name: str
    code: ProblemCode
    message: str


@dataclass(frozen=True, slots=True)
class DatasetPicture:
    """One picture of a data set, without its bytes. Units: width and height in pixels."""

    index: int
    file_name: str
    width: int
    height: int
    caption: str
    sha256: str
    has_target: bool
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetListed:
    """A data set, less its pictures. `digest` is of all that there is to learn."""

    id: str
    object: Literal["dataset"]
    name: str
    num_pictures: int
    size_bytes: int
    digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset(DatasetListed):
    """A data set."""

    pictures: tuple[DatasetPicture, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetSent(Dataset):
    """A data set after files were sent, and what was wrong with some of them."""

    problems: tuple[FileProblem, ...]


def parts_of(lessons: Lessons) -> list[tuple[str, Any]]:
    """The files as parts of a form. Raises: UnreadableFile."""
    if isinstance(lessons, Mapping):
        return [("files", (name, content_of(name, source))) for name, source in lessons.items()]
    if isinstance(lessons, str | os.PathLike) and Path(lessons).is_dir():
        return [("files", (path.name, content_of("files", path))) for path in _files_in(Path(lessons))]
    return [("archive", ("archive.zip", content_of("archive", lessons)))]


def _files_in(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.is_file())
    if not found:
        raise UnreadableFile(f"There are no files in {folder}.", field="files")
    return found
