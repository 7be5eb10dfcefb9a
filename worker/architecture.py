"""What a model is made of: copies of its networks without weights, run once where shapes are all that is computed."""

import logging
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeVar

import torch
from diffusers.models.attention import AttentionModuleMixin, FeedForward
from diffusers.models.attention_processor import Attention
from diffusers.models.resnet import ResnetBlock2D
from torch import Tensor, nn

from contract.architecture import Architecture, Block, Part, PartName
from contract.catalogue import ModelSpec
from worker.meter import Meter
from worker.pipelines.flux import Flux
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.pipelines.stable_diffusion_3 import StableDiffusion3
from worker.pipelines.stable_diffusion_xl import StableDiffusionXL
from worker.pipelines.whole import WholePipeline
from worker.residency import Load, Model
from worker.rows import Rows
from worker.skipping import can_skip
from worker.stepwise_pipeline import Conditioning, PromptEmbeds

logger = logging.getLogger(__name__)

MAX_DEPTH = 4
"""Modules within modules; lists of them count for nothing."""

LEAVES = (Attention, AttentionModuleMixin, FeedForward, ResnetBlock2D)
"""Blocks whose own parts say little."""

META = torch.device("meta")

TEXT_ENCODERS: tuple[PartName, ...] = ("text_encoder", "text_encoder_2", "text_encoder_3")

ROLES: Mapping[str, PartName] = {
    **{name: name for name in TEXT_ENCODERS},
    **dict.fromkeys(("unet", "transformer"), "denoiser"),
    **dict.fromkeys(("vae", "vqvae"), "autoencoder"),
}
"""What the parts of diffusers' pipelines do, by their names there."""

Stepwise = StableDiffusion | StableDiffusionXL | StableDiffusion3 | Flux
"""Models whose verbs run each of their parts."""

L = TypeVar("L", bound=LatentDiffusion)

Shapes = dict[str, tuple[int, ...]]


class Draughtsman:
    """Draws the architecture of each model that is loaded for the first time, and `tell`s of it."""

    def __init__(self, rows: Rows, tell: Callable[[Architecture], None]) -> None:
        self._rows = rows
        self._tell = tell
        self._drawn: set[str] = set()

    def watching(self, load: Load) -> Load:
        """The same loading of models, which are drawn when they are there; what cannot be drawn is loaded anyway."""

        def loaded(model_id: str) -> Model:
            model = load(model_id)
            if isinstance(model, Stepwise | WholePipeline) and model_id not in self._drawn:
                self._draw(model_id, model)
            return model

        return loaded

    def _draw(self, model_id: str, model: Stepwise | WholePipeline) -> None:
        self._drawn.add(model_id)
        try:
            self._tell(drawn(self._rows.find(model_id), model))
        except Exception:
            logger.warning("the architecture of %s cannot be drawn", model_id, exc_info=True)


def drawn(spec: ModelSpec, model: Stepwise | WholePipeline) -> Architecture:
    """The architecture of a loaded model."""
    parts = _whole(model) if isinstance(model, WholePipeline) else _run(spec, model)
    return Architecture(
        model=spec.id,
        family=spec.family,
        height=spec.defaults.height,
        width=spec.defaults.width,
        parts=tuple(parts),
    )


def _whole(model: WholePipeline) -> Iterator[Part]:
    """The parts of a pipeline whose inputs nobody knows: counted, and not run."""
    for name, network in model.networks.items():
        yield _part(ROLES.get(name, "other"), network, Meter(), {})


def _run(spec: ModelSpec, model: Stepwise) -> Iterator[Part]:
    """The parts of a model as its own verbs run them."""
    paper = on_paper(model)
    networks = [*(reader.text_encoder for reader in paper.readers), paper.network, paper.vae]
    meter = Meter()
    with torch.no_grad(), meter.reading(networks):
        prompt = paper.encode_prompt("", negative=False)
        inputs = _rows(spec, paper, prompt)
        paper.denoise(inputs["latents"], torch.empty(1, device=META), _conditioning(inputs))
        picture = torch.empty(1, 3, spec.defaults.height, spec.defaults.width, device=META)
        latents = paper.encode_beside(picture)
        paper.decode_latents(latents)
    for name, reader in zip(TEXT_ENCODERS, paper.readers, strict=False):
        yield _part(name, reader.text_encoder, meter, {"input_ids": (reader.max_length,)})
    yield _part("denoiser", paper.network, meter, _shapes(inputs))
    yield _part(
        "autoencoder", paper.vae, meter, _shapes({"picture": picture, "latents": latents}), (*picture.shape[1:],)
    )


def _rows(spec: ModelSpec, paper: LatentDiffusion, prompt: PromptEmbeds) -> dict[str, Tensor]:
    """What the network is given for one row."""
    sides = (side // paper.vae_scale_factor for side in (spec.defaults.height, spec.defaults.width))
    channels = paper.num_latent_channels + paper.num_extra_channels
    pooled = prompt.pooled_prompt_embeds
    return {
        "latents": torch.empty(1, channels, *sides, device=META),
        "prompt_embeds": prompt.prompt_embeds,
        **({} if pooled is None else {"pooled_prompt_embeds": pooled}),
    }


def _conditioning(inputs: Mapping[str, Tensor]) -> Conditioning:
    return Conditioning(inputs["prompt_embeds"], inputs.get("pooled_prompt_embeds"), torch.ones(1, device=META))


def _shapes(tensors: Mapping[str, Tensor]) -> Shapes:
    return {name: tuple(tensor.shape[1:]) for name, tensor in tensors.items()}


def on_paper(model: L) -> L:
    """A model that has the shapes of another and none of its numbers."""
    readers = tuple(reader._replace(text_encoder=weightless(reader.text_encoder)) for reader in model.readers)
    return replace(model, readers=readers, network=weightless(model.network), vae=weightless(model.vae))


def weightless(network: nn.Module) -> Any:
    """A copy of a network whose tensors take no memory; what was compiled of it is not."""
    tensors: dict[int, object] = {id(one): torch.empty_like(one, device=META) for one in network.buffers()}
    for one in network.parameters():
        tensors[id(one)] = nn.Parameter(torch.empty_like(one, device=META), requires_grad=False)
    return deepcopy(network, tensors)


def _part(
    name: PartName, network: nn.Module, meter: Meter, inputs: Shapes, output: tuple[int, ...] | None = None
) -> Part:
    """A part as it was read off; one whose modules were called apart from each other took what they took."""
    apart = [meter.flops[child] for child in network.children() if child in meter.flops]
    return Part(
        name=name,
        class_name=type(network).__name__,
        num_parameters=_num_parameters(network),
        flops=meter.flops.get(network, sum(apart) if apart else None),
        input=inputs,
        output=output or meter.outputs.get(network),
        blocks=tuple(_blocks(network, meter, "", MAX_DEPTH)),
    )


def _blocks(module: nn.Module, meter: Meter, within: str, depth: int) -> Iterator[Block]:
    for name, child in module.named_children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict | nn.Sequential):
            yield from _blocks(child, meter, f"{within}{name}.", depth)
        elif num_parameters := _num_parameters(child):
            below = (
                () if depth == 1 or isinstance(child, LEAVES) else _blocks(child, meter, f"{within}{name}.", depth - 1)
            )
            yield Block(
                name=f"{within}{name}",
                kind=type(child).__name__,
                num_parameters=num_parameters,
                flops=meter.flops.get(child),
                output_shape=meter.outputs.get(child),
                can_skip=can_skip(child),
                blocks=tuple(below),
            )


def _num_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
