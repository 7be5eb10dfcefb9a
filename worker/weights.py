"""How many bytes a model's weights take: of a loaded one, and, from the heads of its files, of one that is not."""

from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from worker.devices import Placement

NETWORKS = ("unet", "transformer")
OTHERS = ("vae", "text_encoder", "text_encoder_2", "text_encoder_3")

VARIANTS = ("*.fp16*.*", "*.bf16*.*", "*.non_ema.*")
"""Second copies of the weights, which nothing here reads."""

STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}


def weight_bytes(*networks: torch.nn.Module) -> int:
    """What the parameters and buffers of networks take; what several of them share counts once."""
    tensors = {tensor for network in networks for tensor in (*network.parameters(), *network.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def expected_bytes(folder: Path, placement: Placement) -> int:
    """What the model in a diffusers folder will take on this device; a file that cannot be read counts for nothing."""
    sizes = [_file_bytes(file, placement, network=True) for file in _files(folder, NETWORKS)]
    return sum(sizes) + sum(_file_bytes(file, placement, network=False) for file in _files(folder, OTHERS))


def _files(folder: Path, parts: tuple[str, ...]) -> Iterator[Path]:
    for part in parts:
        for file in (folder / part).glob("*.safetensors"):
            if not any(fnmatch(file.name, variant) for variant in VARIANTS):
                yield file


def _file_bytes(file: Path, placement: Placement, *, network: bool) -> int:
    try:
        with safe_open(file, framework="pt") as weights:
            return sum(_tensor_bytes(weights.get_slice(name), placement, network) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return 0


def _tensor_bytes(stored: object, placement: Placement, network: bool) -> int:
    size = torch.Size(stored.get_shape()).numel()  # type: ignore[attr-defined]
    dtype = STORED.get(stored.get_dtype())  # type: ignore[attr-defined]
    if dtype is None:
        return size
    return size * (placement.network_dtype(dtype) if network else placement.dtype(dtype)).itemsize
