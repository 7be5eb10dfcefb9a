"""How many bytes a model's weights take: of a loaded one, and, from the heads of its files, of one that is not."""

import json
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from worker.autoencoders import needs_range
from worker.devices import Placement

PARTS = ("unet", "transformer", "vae", "text_encoder", "text_encoder_2", "text_encoder_3")

VARIANTS = ("*.fp16*.*", "*.bf16*.*", "*.non_ema.*")
"""Second copies of the weights, which nothing here reads."""

STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "F64": torch.float64}


def weight_bytes(*networks: torch.nn.Module) -> int:
    """What the parameters and buffers of networks take; what several of them share counts once."""
    tensors = {tensor for network in networks for tensor in (*network.parameters(), *network.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def expected_bytes(folder: Path, placement: Placement, *, whole: bool = False) -> int:
    """What the model in a diffusers folder will take on this device; a file that cannot be read counts for nothing."""
    return sum(
        _file_bytes(file, _format_of(folder, part, placement, whole))
        for part in PARTS
        for file in _files(folder / part)
    )


Format = Callable[[torch.dtype], torch.dtype]
"""From the number format of stored weights to that of loaded ones."""


def _format_of(folder: Path, part: str, placement: Placement, whole: bool) -> Format:
    if whole:
        return placement.own_dtype
    return placement.wide_dtype if part == "vae" and _vae_needs_range(folder) else placement.dtype


def _vae_needs_range(folder: Path) -> bool:
    try:
        return needs_range(json.loads((folder / "vae" / "config.json").read_text()))
    except (OSError, ValueError):
        return False


def _files(folder: Path) -> Iterator[Path]:
    for file in folder.glob("*.safetensors"):
        if not any(fnmatch(file.name, variant) for variant in VARIANTS):
            yield file


def _file_bytes(file: Path, loaded: Format) -> int:
    try:
        with safe_open(file, framework="pt") as weights:
            return sum(_tensor_bytes(weights.get_slice(name), loaded) for name in weights.keys())  # noqa: SIM118
    except (OSError, SafetensorError):
        return 0


def _tensor_bytes(stored: object, loaded: Format) -> int:
    size = torch.Size(stored.get_shape()).numel()  # type: ignore[attr-defined]
    dtype = STORED.get(stored.get_dtype())  # type: ignore[attr-defined]
    return size if dtype is None else size * loaded(dtype).itemsize
