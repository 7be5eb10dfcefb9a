"""Where a model runs, in which number format, and how many rows its forwards have there."""

from dataclasses import dataclass

import torch

FAST_BF16 = ("avx512_bf16", "amx_bf16")
"""CPU capabilities without which bf16 is emulated: on AVX-512 alone it is five times slower than float32."""


@dataclass(frozen=True)
class Placement:
    """A device with the number of rows of every forward on it.

    `network_format` is the format of the denoising network there; None keeps the one that its weights are stored in.
    """

    device: torch.device
    rows_per_forward: int
    network_format: torch.dtype | None = None

    def network_dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of the denoising network, given the one that its weights are stored in."""
        return self.network_format or stored

    def dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of every other network; on a CPU these are a small part of the work."""
        return stored if self.device.type == "cuda" else torch.float32


def choose_placement() -> Placement:
    """The GPU where there is one, else the CPU.

    On a CPU two rows are one guided image, so that an image alone wastes nothing; a GPU is idle with fewer than eight.
    """
    if torch.cuda.is_available():
        return Placement(torch.device("cuda"), rows_per_forward=8)
    network_format = torch.bfloat16 if has_fast_bf16() else torch.float32
    return Placement(torch.device("cpu"), rows_per_forward=2, network_format=network_format)


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 numbers itself."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in FAST_BF16)
