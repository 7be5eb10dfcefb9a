"""Where a model runs, and in which number format."""

import platform
from dataclasses import dataclass

import torch

FAST_BF16 = ("avx512_bf16", "amx_bf16")
"""CPU capabilities without which bf16 is emulated: on AVX-512 alone it is five times slower than float32."""


@dataclass(frozen=True)
class Placement:
    """A device; `network_format` is the format of the denoising network there, None the one that its weights have."""

    device: torch.device
    network_format: torch.dtype | None = None

    def network_dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of the denoising network, given the one that its weights are stored in."""
        return self.network_format or stored

    def dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of every other network; on a CPU these are a small part of the work."""
        return stored if self.device.type == "cuda" else torch.float32


def choose_placement() -> Placement:
    """The GPU where there is one, else the CPU."""
    if torch.cuda.is_available():
        return Placement(torch.device("cuda"))
    network_format = torch.bfloat16 if has_fast_bf16() else torch.float32
    return Placement(torch.device("cpu"), network_format)


def device_name(device: torch.device) -> str:
    """What kind of device this is; two of one name run the same kernels."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 numbers itself."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in FAST_BF16)
