"""How much a data set may have, as the operator says."""

from typing import NamedTuple, Self

from app.settings import AppSettings
from contract.datasets import Dataset
from contract.errors import LimitExceeded

MAX_CHARACTERS = 500_000
"""Of all captions of a data set: they are in the store of jobs, which is memory."""


class Bounds(NamedTuple):
    """The most pictures, bytes that are kept, pixels, and characters of captions; targets count as bytes alone."""

    pictures: int
    bytes: int
    pixels: int
    characters: int

    @classmethod
    def of(cls, settings: AppSettings) -> Self:
        """From the settings."""
        return cls(
            settings.max_dataset_pictures, settings.max_dataset_bytes, settings.max_dataset_pixels, MAX_CHARACTERS
        )

    def check(self, dataset: Dataset) -> Dataset:
        """The same, if it is within. Raises: LimitExceeded."""
        for name, number, most in zip(self._fields, measured(dataset), self, strict=True):
            if number > most:
                raise LimitExceeded(f"A data set may have {most} {name}, and this would have {number}.")
        return dataset


def measured(dataset: Dataset) -> Bounds:
    """What is held against the bounds."""
    characters = sum(len(picture.caption) for picture in dataset.pictures)
    return Bounds(len(dataset.pictures), dataset.size_bytes, dataset.pixels, characters)
