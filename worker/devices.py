"""Where a model runs, and in which number format."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

FAST_BF16 = ("avx512_bf16", "amx_bf16")
"""CPU capabilities without which bf16 is emulated: on AVX-512 alone it is five times slower than float32."""


@dataclass(frozen=True)
class Placement:
    """A device, the format of models there, None for that of their weights, and whether denoising is compiled.

    Each method says which format networks of one kind have, given the one that their weights are stored in.
    """

    device: torch.device
    number_format: torch.dtype | None = None
    compiled: bool = False

    def dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of the parts of our families."""
        return self.number_format or stored

    def own_dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of what nobody knows how to narrow; a CPU has float32 for everything."""
        return stored if self.device.type == "cuda" else torch.float32

    def wide_dtype(self, stored: torch.dtype) -> torch.dtype:
        """The format of an autoencoder that asks for more range than float16 has."""
        own = self.own_dtype(stored)
        return torch.float32 if own == torch.float16 else own


def choose_placement(*, compiled: bool = False) -> Placement:
    """The GPU where there is one, else the CPU."""
    if torch.cuda.is_available():
        return Placement(torch.device("cuda"), compiled=compiled)
    number_format = torch.bfloat16 if has_fast_bf16() else torch.float32
    return Placement(torch.device("cpu"), number_format, compiled)


def is_out_of_memory(error: Exception) -> bool:
    """Whether something did not fit. PyTorch has a class for that on GPUs; on a CPU, its allocator's name has to do."""
    if isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error):
        return True
    return isinstance(error, MemoryError | torch.OutOfMemoryError)


class DeviceLost(BaseException):
    """The device's context is broken: nothing that is done in this process can succeed any more, whoever asks for it.

    It is no `Exception`, so that no handler for the faults of one image takes it for one.
    """


def choose_steady_kernels() -> None:
    """Keeps CUDA's libraries from choosing kernels by trial, and from splitting sums by the size of a forward.

    Must come before the first use of CUDA. What it does not steady, the certificate finds.
    """
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":16:8")
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False


NUM_COMPILED = 1024
"""Forwards of so many sizes may be compiled, over all models; beyond its own few torch would quietly not compile."""


def keep_compiled_in(folder: Path) -> None:
    """What is compiled becomes files here, and is found at the next start.

    It is set whatever stands there: torch writes its own default into the environment as soon as it is asked for it.
    """
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


def compile_in_place(network: Any, device: torch.device) -> None:
    """Compiles a network for each size of forwards: all of it on a CPU, the blocks that repeat on a GPU."""
    from torch._dynamo import config

    config.recompile_limit = config.accumulated_recompile_limit = NUM_COMPILED
    if device.type == "cuda":
        network.compile_repeated_blocks(dynamic=False)
    else:
        network.compile(dynamic=False)


@contextmanager
def as_written(eager: bool = True) -> Iterator[None]:
    """Has compiled networks run uncompiled meanwhile: compiled code knows nothing of hooks that came after it."""
    if not eager:
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield


def device_name(device: torch.device) -> str:
    """What kind of device this is; two of one name run the same kernels."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def has_fast_bf16() -> bool:
    """Whether this CPU multiplies bf16 numbers itself."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in FAST_BF16)
