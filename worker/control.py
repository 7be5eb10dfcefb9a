"""ControlNet: a second network, run for one row at a time, whose residuals are added to that row and to no other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers import ControlNetModel
from PIL import Image
from torch import Tensor

from contract.adapters import ControlUse
from contract.errors import AdapterMismatch, ModelUnavailable
from worker.inputs import read_pixels
from worker.weights import weight_bytes

SHARED = (
    "in_channels",
    "block_out_channels",
    "layers_per_block",
    "cross_attention_dim",
    "down_block_types",
    "transformer_layers_per_block",
    "addition_embed_type",
)
"""What must be equal in the configurations of both networks, as the residuals are added block by block."""


class Seen(NamedTuple):
    """One row, as the network sees it; `added` is what SDXL is told beside the prompt.

    Shapes: latents (1, C, H, W), timestep (1,), prompt_embeds (1, L, D).
    """

    latents: Tensor
    timestep: Tensor
    prompt_embeds: Tensor
    added: Mapping[str, Tensor] | None


@dataclass(frozen=True, eq=False, slots=True)
class ControlNet:
    """A loaded network."""

    network: Any

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        return weight_bytes(self.network)


@dataclass(frozen=True, eq=False, slots=True)
class Control:
    """One use of a network for one image. Shapes: picture (1, 3, height, width), from 0 to 1."""

    net: ControlNet
    picture: Tensor
    use: ControlUse

    def residuals(self, seen: Seen) -> tuple[Tensor, ...]:
        """What it adds to the skip connections, and last to the middle.

        Source: Zhang et al. 2023, arXiv:2302.05543, eq. 2; must equal `StableDiffusionControlNetPipeline`.
        """
        down, middle = self.net.network(
            seen.latents,
            seen.timestep,
            encoder_hidden_states=seen.prompt_embeds,
            controlnet_cond=self.picture.to(seen.latents),
            conditioning_scale=self.use.scale,
            added_cond_kwargs=seen.added,
            return_dict=False,
        )
        return (*down, middle)


class Residuals(NamedTuple):
    """What a forward adds to its rows. None where no row asks for any: then the network is as it is."""

    down: tuple[Tensor, ...] | None = None
    middle: Tensor | None = None


def residuals_of(controls: Sequence[Sequence[Control]], size: int, row: Callable[[int], Seen]) -> Residuals:
    """The residuals of `size` rows, zero for those that ask for none; `controls` has an entry for each of the first.

    Promise: each row's are computed from that row alone, in the shape (1, …).
    """
    found = {place: _summed(some, row(place)) for place, some in enumerate(controls) if some}
    if not found:
        return Residuals()
    like = next(iter(found.values()))
    zeros = [torch.zeros_like(one) for one in like]
    rows = [found.get(place, zeros) for place in range(size)]
    *down, middle = (torch.cat(parts) for parts in zip(*rows, strict=True))
    return Residuals(tuple(down), middle)


def _summed(controls: Sequence[Control], seen: Seen) -> list[Tensor]:
    found = [control.residuals(seen) for control in controls]
    return [sum(parts[1:], parts[0]) for parts in zip(*found, strict=True)]


def load_control(folder: Path, unet: Any, vae_scale_factor: int) -> ControlNet:
    """The network in a diffusers folder, for a U-Net. Raises: ModelUnavailable, AdapterMismatch."""
    try:
        network = ControlNetModel.from_pretrained(
            folder, torch_dtype=unet.dtype, use_safetensors=True, low_cpu_mem_usage=False, local_files_only=True
        )
    except Exception as error:
        raise ModelUnavailable(f"{folder} cannot be loaded: {error}") from error
    for name in SHARED:
        ours, theirs = unet.config.get(name), network.config.get(name)
        if _plain(ours) != _plain(theirs):
            raise AdapterMismatch(f"Its {name} is {theirs}, and the model's is {ours}.")
    if 2 ** (len(network.config.conditioning_embedding_out_channels) - 1) != vae_scale_factor:
        raise AdapterMismatch(f"It sees pictures at another scale than 1 : {vae_scale_factor}.")
    return ControlNet(network.to(unet.device).eval().requires_grad_(False))


def _plain(value: Any) -> Any:
    """Configurations from files have lists where others have tuples."""
    return tuple(value) if isinstance(value, list) else value


def read_control_picture(png: bytes, height: int, width: int) -> Tensor:
    """A picture to keep to, at the size of the image. Raises: DamagedFile.

    Shapes: result (1, 3, height, width), from 0 to 1.
    Source: must equal `VaeImageProcessor` as diffusers' ControlNet pipelines have it.
    """
    picture = Image.fromarray(read_pixels(png)).resize((width, height), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 255
