"""IP-Adapter: a picture as a prompt, attended to beside the words by the rows that ask for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.embeddings import ImageProjection
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPVisionModelWithProjection
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from contract.errors import AdapterMismatch, ModelUnavailable
from worker.inputs import read_pixels
from worker.steering import Passage, RowHook, Steering
from worker.weights import weight_bytes

State = dict[str, Tensor]


@dataclass(frozen=True, eq=False, slots=True)
class Attended:
    """Attention to a picture beside the words.

    Shapes: keys and values (1, T, D) for each layer, T the number of the picture's tokens.
    """

    by_layer: Mapping[nn.Module, RowHook]

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """Every attention to words."""
        del network
        return self.by_layer


class IPAdapter:
    """What looks at a picture, and one pair of projections for every attention of the model that looks at words."""

    def __init__(self, encoder: Any, projection: Any, pairs: Mapping[str, tuple[Tensor, Tensor]]) -> None:
        self._encoder = encoder
        self._projection = projection
        self._pairs = pairs
        size = encoder.config.image_size
        self._processor = CLIPImageProcessorPil(size=size, crop_size=size)

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        pairs = sum(tensor.numel() * tensor.element_size() for pair in self._pairs.values() for tensor in pair)
        return weight_bytes(self._encoder, self._projection) + pairs

    def steering(self, unet: nn.Module, png: bytes, scale: float) -> tuple[Steering, Steering]:
        """What a picture asks of the rows with the prompt, and of those without it, which see no picture.

        Source: Ye et al. 2023, arXiv:2308.06721, eq. 5; must equal `load_ip_adapter` of diffusers' pipelines.
        """
        picture = Image.fromarray(read_pixels(png))
        pixels = self._processor(picture, return_tensors="pt").pixel_values
        pixels = pixels.to(self._encoder.device, self._encoder.dtype)
        return self._attended(unet, self._seen(pixels), scale), self._attended(unet, self._unseen(pixels), scale)

    def _seen(self, pixels: Tensor) -> Tensor:
        if isinstance(self._projection, ImageProjection):
            embeds: Tensor = self._encoder(pixels).image_embeds
            return embeds
        states: Tensor = self._encoder(pixels, output_hidden_states=True).hidden_states[-2]
        return states

    def _unseen(self, pixels: Tensor) -> Tensor:
        if isinstance(self._projection, ImageProjection):
            return torch.zeros_like(self._seen(pixels))
        return self._seen(torch.zeros_like(pixels))

    def _attended(self, unet: nn.Module, seen: Tensor, scale: float) -> Attended:
        tokens = self._projection(seen.to(next(self._projection.parameters()).dtype))
        layers = {name: unet.get_submodule(name) for name in self._pairs}
        return Attended(
            {
                layers[name]: partial(_looked, functional.linear(tokens, key), functional.linear(tokens, value), scale)
                for name, (key, value) in self._pairs.items()
            }
        )


def _looked(key: Tensor, value: Tensor, scale: float, passage: Passage) -> Tensor:
    attention: Any = passage.module
    query = attention.to_q(passage.hidden)
    heads = [values.unflatten(-1, (attention.heads, -1)).transpose(1, 2) for values in (query, key, value)]
    looked = functional.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2)
    shown: Tensor = attention.to_out[0](scale * looked)
    bias = attention.to_out[0].bias
    return passage.output + (shown if bias is None else shown - bias)


def load_ip_adapter(file: Path, encoder_folder: Path, unet: Any) -> IPAdapter:
    """The adapter in a safetensors file, and the encoder in a folder. Raises: ModelUnavailable, AdapterMismatch."""
    try:
        state = safetensors.torch.load_file(file)
        encoder = CLIPVisionModelWithProjection.from_pretrained(
            encoder_folder, dtype=unet.dtype, use_safetensors=True, local_files_only=True
        )
    except Exception as error:
        raise ModelUnavailable(f"{file} or {encoder_folder} cannot be loaded: {error}") from error
    try:
        projection = _projection(_within(state, "image_proj."), unet)
        pairs = dict(_pairs(_within(state, "ip_adapter."), unet))
    except (ValueError, KeyError, IndexError, RuntimeError) as error:
        raise AdapterMismatch(f"This cannot be read as an IP-Adapter: {error}") from error
    return IPAdapter(encoder.to(unet.device).eval().requires_grad_(False), projection, pairs)


def _within(state: State, prefix: str) -> State:
    return {name.removeprefix(prefix): values for name, values in state.items() if name.startswith(prefix)}


def _projection(state: State, unet: Any) -> Any:
    projection = UNet2DConditionModel._convert_ip_adapter_image_proj_to_diffusers(unet, state, low_cpu_mem_usage=False)
    return projection.to(unet.device, unet.dtype).eval().requires_grad_(False)


def _pairs(state: State, unet: Any) -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
    """The projections of each attention to words; files number them 1, 3, 5, … as diffusers does."""
    names = [name.removesuffix(".processor") for name in unet.attn_processors]
    layers = [name for name in names if not name.endswith("attn1")]
    if len(state) != 2 * len(layers):
        raise AdapterMismatch(f"It has {len(state)} tensors for attention, and the model needs {2 * len(layers)}.")
    for number, name in enumerate(layers):
        layer = unet.get_submodule(name)
        pair = tuple(state[f"{2 * number + 1}.to_{kind}_ip.weight"] for kind in "kv")
        if any(tuple(one.shape) != tuple(layer.to_k.weight.shape) for one in pair):
            raise AdapterMismatch(f"Its projections for {name} are of {tuple(pair[0].shape)}.")
        key, value = (one.to(unet.device, unet.dtype) for one in pair)
        yield name, (key, value)
