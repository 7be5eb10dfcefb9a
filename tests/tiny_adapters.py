"""Adapters of random weights for tiny models, in the layouts in which people share them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers import ControlNetModel
from diffusers.models.embeddings import ImageProjection, IPAdapterPlusImageProjection
from torch import Tensor, nn
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from worker.stepwise_pipeline import StepwisePipeline

State = dict[str, Tensor]
Factors = Mapping[str, tuple[Tensor, Tensor]]

OF_UNET = ("to_q", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "conv1", "proj_in", "time_emb_proj", "conv_out")
OF_ENCODER = ("q_proj", "v_proj", "out_proj", "fc1", "query", "value")


def factors(network: nn.Module, ends: tuple[str, ...], rank: int, seed: int) -> Factors:
    """Both factors for every layer whose name has one of these ends."""
    draw = torch.Generator().manual_seed(seed)

    def made() -> Iterator[tuple[str, tuple[Tensor, Tensor]]]:
        for name, layer in network.named_modules():
            if name.endswith(ends) and isinstance(layer, nn.Linear | nn.Conv2d):
                out, *shape = layer.weight.shape
                down = torch.randn(rank, *shape, generator=draw) / rank
                yield name, (down, torch.randn(out, rank, *[1] * (len(shape) - 1), generator=draw) / 24)

    return dict(made())


def parts_of(pipeline: StepwisePipeline, rank: int, seed: int) -> dict[str, Factors]:
    """Factors for every part of a model that a LoRA may change."""
    return {
        part: factors(network, OF_UNET if part == "unet" else OF_ENCODER, rank, seed)
        for part, network in pipeline.parts.items()
    }


def in_diffusers_layout(parts: Mapping[str, Factors]) -> State:
    """As `save_lora_weights` writes it: alpha is the rank."""
    return {
        f"{part}.{name}.{factor}.weight": values
        for part, by_layer in parts.items()
        for name, pair in by_layer.items()
        for factor, values in zip(("lora_A", "lora_B"), pair, strict=True)
    }


KOHYA = {"unet": "lora_unet", "text_encoder": "lora_te", "text_encoder_2": "lora_te2"}


def in_kohya_layout(parts: Mapping[str, Factors], alpha: float, *, of_two: bool = False) -> State:
    """As kohya's scripts write it, the text encoder's layers under the names that they had then."""
    state: State = {}
    for part, by_layer in parts.items():
        prefix = "lora_te1" if of_two and part == "text_encoder" else KOHYA[part]
        for name, (down, up) in by_layer.items():
            model = "" if part == "unet" or name.startswith("text_model.") else "text_model_"
            layer = f"{prefix}_{model}{name.replace('.', '_')}"
            state[f"{layer}.lora_down.weight"] = down
            state[f"{layer}.lora_up.weight"] = up
            state[f"{layer}.alpha"] = torch.tensor(alpha)
    return state


def content(state: State, said: Mapping[str, str] | None = None) -> bytes:
    """The file."""
    return safetensors.torch.save({name: values.contiguous() for name, values in state.items()}, dict(said or {}))


def build_controlnet(folder: Path, unet: Any, seed: int) -> None:
    """A ControlNet for this U-Net whose last layers are not zero, as they are before training."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(4, 4, 8, 8))
        for block in (*network.controlnet_down_blocks, network.controlnet_mid_block):
            nn.init.normal_(block.weight, std=0.3)
        nn.init.normal_(network.controlnet_cond_embedding.conv_out.weight, std=1.0)
    network.save_pretrained(folder)


def _one_vector(width: int) -> State:
    """The projection of an IP-Adapter, under the names of its authors."""
    projection = ImageProjection(image_embed_dim=16, cross_attention_dim=width, num_image_text_embeds=4)
    return {name.replace("image_embeds", "proj"): values for name, values in projection.state_dict().items()}


AUTHORS_NAMES = {
    ".ln0.": ".0.norm1.",
    ".ln1.": ".0.norm2.",
    ".attn.to_q.": ".0.to_q.",
    ".attn.to_out.0.": ".0.to_out.",
    ".ff.0.": ".1.0.",
    ".ff.1.net.0.proj.": ".1.1.",
    ".ff.1.net.2.": ".1.3.",
}


def _resampler(width: int) -> State:
    """The projection of an IP-Adapter Plus, under the names of its authors, who keep keys and values in one."""
    state = IPAdapterPlusImageProjection(
        embed_dims=16, output_dims=width, hidden_dims=24, heads=1, num_queries=4
    ).state_dict()
    named: State = {}
    for name, values in state.items():
        if ".to_k." in name:
            both = [values, state[name.replace(".to_k.", ".to_v.")]]
            named[name.replace(".attn.to_k.", ".0.to_kv.")] = torch.cat(both)
        elif ".to_v." not in name:
            theirs = next(((ours, other) for ours, other in AUTHORS_NAMES.items() if ours in name), ("", ""))
            named[name.replace(*theirs)] = values
    return named


def build_ip_adapter(folder: Path, unet: Any, *, plus: bool = False) -> None:
    """An IP-Adapter's file and, in `image_encoder`, what looks at the picture; Plus reads it patch by patch."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        encoder = CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=16,
                intermediate_size=24,
                projection_dim=16,
                num_hidden_layers=2,
                num_attention_heads=2,
                image_size=32,
                patch_size=8,
            )
        )
        width = unet.config.cross_attention_dim
        projected = _resampler(width) if plus else _one_vector(width)
        state = {f"image_proj.{name}": values for name, values in projected.items()}
        layers = [name.removesuffix(".processor") for name in unet.attn_processors if "attn2" in name]
        for number, name in enumerate(layers):
            shape = unet.get_submodule(name).to_k.weight.shape
            for kind in "kv":
                state[f"ip_adapter.{2 * number + 1}.to_{kind}_ip.weight"] = torch.randn(shape) / 4
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(state, folder / "ip-adapter.safetensors")
    encoder.save_pretrained(folder / "image_encoder")
