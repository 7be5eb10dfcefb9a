"""The files of LoRA: from either layout, kohya's or diffusers', to one product a layer."""

import json
from collections.abc import Iterator, Mapping
from math import sqrt
from typing import Any

import safetensors
import safetensors.torch
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from diffusers.utils.state_dict_utils import (
    StateDictType,
    convert_state_dict_to_peft,
    convert_unet_state_dict_to_peft,
)
from torch import Size, Tensor, nn

from contract.errors import AdapterMismatch
from worker.lora import Lora, Product

State = dict[str, Tensor]

KOHYA = ("lora_unet_", "lora_te_", "lora_te1_", "lora_te2_")
PARTS = ("unet", "text_encoder", "text_encoder_2")
"""What of a model a file may change, under diffusers' names."""

DOWNS = (".lora_A.weight", ".lora_down.weight", ".lora.down.weight")
UPS = (".lora_B.weight", ".lora_up.weight", ".lora.up.weight")
NOT_LOW_RANK = ("dora_scale", "lora_magnitude_vector", "lora_mid", "hada_", "lokr_", "lora_B.bias")
"""Parts of the names of what is more than a product of two factors: DoRA, LoCon's Tucker form, LoHa, LoKr, biases."""


def is_lora(content: bytes) -> bool:
    """Whether a safetensors file has low-rank products or their kin. Raises: AdapterMismatch."""
    marks = ("lora", *NOT_LOW_RANK)
    return any(mark in name for name in _head(content) if name != "__metadata__" for mark in marks)


def read_lora(content: bytes, networks: Mapping[str, nn.Module]) -> Lora:
    """The products of a safetensors file, each in the number format and on the device of its layer.

    `networks` are the parts of the model that they are for. Raises: AdapterMismatch.
    Source: must equal what `load_lora_weights` of diffusers' pipelines makes of the same file, but that every layer's
            own alpha is heeded.
    """
    try:
        state = _scaled(safetensors.torch.load(content))
        parts = _by_part(state, networks["unet"])
        said = _metadata(content)
        return Lora({part: dict(_products(parts[part], networks, part, said)) for part in PARTS})
    except (ValueError, KeyError, IndexError, RuntimeError, safetensors.SafetensorError) as error:
        raise AdapterMismatch(f"This cannot be read as a LoRA: {error}") from error


def _scaled(state: State) -> State:
    """The tensors without kohya's alphas, whose ratio to the rank is in the second factors instead."""
    odd = next((name for name in state if any(part in name for part in NOT_LOW_RANK)), None)
    if odd is not None:
        raise AdapterMismatch(f"{odd} is more than a product of two factors, which is not supported.")
    scaled = {name: values for name, values in state.items() if not name.endswith(".alpha")}
    for name in set(state) - set(scaled):
        layer = name.removesuffix(".alpha")
        down, up = (_factor(state, layer, ends) for ends in (DOWNS, UPS))
        scaled[up] = state[up].float() * (float(state[name]) / state[down].shape[0])
    return scaled


def _factor(state: State, layer: str, ends: tuple[str, ...]) -> str:
    found = next((layer + end for end in ends if layer + end in state), None)
    if found is None:
        raise AdapterMismatch(f"{layer} has an alpha, and no two factors.")
    return found


def _by_part(state: State, unet: Any) -> dict[str, State]:
    """The tensors of each part of the model; a file that names no parts is of the U-Net."""
    if all(name.startswith(KOHYA) for name in state):
        state, _ = _convert_non_diffusers_lora_to_diffusers(_maybe_map_sgm_blocks_to_diffusers(state, unet.config))
    parts: dict[str, State] = {part: {} for part in PARTS}
    for name, values in state.items():
        part, _, rest = name.partition(".")
        if part in parts:
            parts[part][rest] = values
        else:
            parts["unet"][name] = values
    return {
        "unet": convert_unet_state_dict_to_peft(parts["unet"]),
        **{part: convert_state_dict_to_peft(parts[part], StateDictType.DIFFUSERS_OLD) for part in PARTS[1:]},
    }


def _products(
    state: State, networks: Mapping[str, nn.Module], part: str, said: Mapping[str, Any]
) -> Iterator[tuple[str, Product]]:
    if state and part not in networks:
        raise AdapterMismatch(f"It changes {part}, which the model does not have.")
    layers = dict(networks[part].named_modules()) if state else {}
    downs = {_layer(name, DOWNS): values for name, values in state.items() if name.endswith(DOWNS)}
    ups = {_layer(name, UPS): values for name, values in state.items() if name.endswith(UPS)}
    if downs.keys() != ups.keys() or len(downs) + len(ups) < len(state):
        raise AdapterMismatch(f"Its tensors for {part} are not all pairs of factors.")
    for found, down in downs.items():
        name = found if found in layers else found.removeprefix("text_model.")
        if name not in layers:
            raise AdapterMismatch(f"The model's {part} has no layer {found}.")
        scale = _said_scale(said, part, found, down.shape[0])
        yield name, _fitted(down, ups[found].float() * scale, layers[name], f"{part}.{name}")


def _layer(name: str, ends: tuple[str, ...]) -> str:
    return name.removesuffix(next(end for end in ends if name.endswith(end)))


def _fitted(down: Tensor, up: Tensor, layer: nn.Module, name: str) -> Product:
    """The factors as the layer needs them; those of 1 × 1 convolutions are stored as either kind of layer."""
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        raise AdapterMismatch(f"{name} is no linear layer and no convolution.")
    weight = layer.weight
    wanted, found = _without_ones(weight.shape), (_without_ones(down.shape), _without_ones(up.shape))
    rank = down.shape[0]
    if found != ((rank, *wanted[1:]), (wanted[0], rank)):
        raise AdapterMismatch(f"{name} is of shape {wanted}, and the factors are of {found[0]} and {found[1]}.")
    down, up = down.to(weight), up.to(weight)
    return Product(down.reshape(rank, *weight.shape[1:]), up.reshape(weight.shape[0], rank, *[1] * (weight.ndim - 2)))


def _without_ones(shape: Size) -> tuple[int, ...]:
    """A shape, but for the sides of a kernel of one number."""
    return tuple(shape[:2]) if shape[2:].numel() == 1 else tuple(shape)


# ---- what peft says of a file that it has saved


def _metadata(content: bytes) -> dict[str, Any]:
    """peft's configuration: lora_alpha, alpha_pattern and use_rslora, perhaps each behind the name of a part."""
    said = _head(content).get("__metadata__", {})
    configuration = json.loads(said.get("lora_adapter_metadata", "{}"))
    return configuration if isinstance(configuration, dict) else {}


def _head(content: bytes) -> dict[str, Any]:
    try:
        head = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    except ValueError as error:
        raise AdapterMismatch("The file is not in safetensors format.") from error
    return head if isinstance(head, dict) else {}


def _said_scale(said: Mapping[str, Any], part: str, layer: str, rank: int) -> float:
    """Alpha over rank, or over its root; 1 where nothing is said.

    Source: Hu et al. 2021, arXiv:2106.09685, section 4.1; Kalajdzievski 2023, arXiv:2312.03732, for the root.
    """
    within = f"{part}." if f"{part}.lora_alpha" in said else ""
    if f"{within}lora_alpha" not in said:
        return 1.0
    patterns = said.get(f"{within}alpha_pattern") or {}
    fitting = [alpha for end, alpha in patterns.items() if f".{layer}".endswith(f".{end.removeprefix('^')}")]
    alpha = float(fitting[0] if fitting else said[f"{within}lora_alpha"])
    return alpha / (sqrt(rank) if said.get(f"{within}use_rslora") else rank)
