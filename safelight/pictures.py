"""Finished pictures with their bytes, and the names under which several of them are saved."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

from safelight.answers import Image, Job


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished picture; `content` is its file."""

    image: Image
    content: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """The name by which a request can begin with it."""
        return self.image.id

    @property
    def seed(self) -> int:
        """With this seed, its request makes this picture alone."""
        return self.image.seed

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Writes the file; what was there is replaced."""
        path = Path(path)
        path.write_bytes(self.content)
        return path


@dataclass(frozen=True, slots=True)
class Pictures(Sequence[Picture]):
    """All pictures of a job that has succeeded, in order."""

    job: Job
    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def __iter__(self) -> Iterator[Picture]:
        return iter(self.pictures)

    @overload
    def __getitem__(self, index: int) -> Picture: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Picture, ...]: ...
    def __getitem__(self, index: int | slice) -> Picture | tuple[Picture, ...]:
        return self.pictures[index]

    def save(self, path: str | os.PathLike[str]) -> list[Path]:
        """Writes each picture to its name of `numbered`; what was there is replaced."""
        paths = numbered(Path(path), len(self))
        return [picture.save(path) for picture, path in zip(self, paths, strict=True)]


def numbered(path: Path, count: int) -> list[Path]:
    """The path itself for one picture, and for several `apple-0.png`, `apple-1.png`, … with the pictures' indices."""
    if count == 1:
        return [path]
    return [path.with_name(f"{path.stem}-{index}{path.suffix}") for index in range(count)]
