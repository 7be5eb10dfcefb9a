"""What an engine has done since it was made."""

from dataclasses import astuple, dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Counters:
    """Denoising steps, forwards, rows in those forwards that some image needed, and where the time went.

    Units: `forward_seconds` in the network, `tick_seconds` in all of a tick but decoding.
    """

    num_steps: int = 0
    num_forwards: int = 0
    num_rows: int = 0
    forward_seconds: float = 0.0
    tick_seconds: float = 0.0

    def __add__(self, other: Self) -> "Counters":
        return Counters(*(one + another for one, another in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Self) -> "Counters":
        return Counters(*(one - another for one, another in zip(astuple(self), astuple(other), strict=True)))
