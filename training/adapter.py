"""This file knows how the example adapter is made: a LoRA that gilds whatever the embedded model draws."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from diffusers import AutoencoderDC, UNet2DConditionModel
from PIL import Image
from torch import Tensor

from training.captions import Scene, Vocabulary, caption, read_vocabulary
from training.configuration import Configuration, read_configuration
from training.denoiser import Batch, velocity_loss
from training.places import KINDS
from training.scenes import compose, to_tensor
from training.schedule import build_scheduler
from training.sprites import Sprite, thing_sprites
from training.text_states import TextStates, load_text_states, text_encoder_folder
from worker.fine_tuning.low_rank import Products, in_diffusers_layout

log = logging.getLogger(__name__)

TARGETS = ("to_v", "to_out.0", "conv_out")
"""Layers that say what is drawn, and leave alone those that say where."""

GOLD = ((0, (46, 26, 4)), (110, (178, 118, 22)), (190, (248, 204, 84)), (255, (255, 250, 220)))
"""From how light a pixel is to its colour."""


@dataclass(frozen=True)
class AdapterConfig:
    """What it takes; `rank` is that of every product, and its alpha as well."""

    rank: int = 2
    learning_rate: float = 4e-3
    batch_size: int = 12
    num_steps: int = 260
    caption_dropout: float = 0.1
    num_pictures: int = 480


def gilded(sprite: Sprite) -> Sprite:
    """The sprite in gold: only how light its pixels are is left of their colours."""
    lightness = np.asarray(sprite.image.convert("L"), dtype=np.float32)
    places = [place for place, _ in GOLD]
    channels = [np.interp(lightness, places, [colour[channel] for _, colour in GOLD]) for channel in range(3)]
    image = Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))
    image.putalpha(sprite.image.getchannel("A"))
    return replace(sprite, image=image)


@dataclass(frozen=True)
class Pictures:
    """Gilded scenes as latents (N, C, H, W), and what they show."""

    latents: Tensor
    scenes: Sequence[Scene]

    def batch(self, vocabulary: Vocabulary, states: TextStates, config: AdapterConfig, rng: random.Random) -> Batch:
        """Draw some, with captions that say nothing of gold."""
        chosen = rng.sample(range(len(self.scenes)), config.batch_size)
        captions = [
            "" if rng.random() < config.caption_dropout else caption(self.scenes[index], vocabulary, rng)
            for index in chosen
        ]
        return Batch(self.latents[chosen], states(captions))


@torch.no_grad()
def pictures(
    vae: AutoencoderDC, sprites: Mapping[str, Sprite], vocabulary: Vocabulary, number: int, rng: random.Random
) -> Pictures:
    """Compose and encode scenes of gilded things."""
    kinds = [kind for kind in KINDS if kind != "flat"]
    latents, scenes = [], []
    for _ in range(number):
        kind = rng.choice(("single", "single", *kinds))
        colour = "white" if rng.random() < 0.5 else rng.choice(list(vocabulary.colours))
        times = len(KINDS[kind]) if kind in ("three", "four") else 1
        scene = Scene(kind, tuple(rng.choices(vocabulary.plain, k=len(KINDS[kind]) // times)) * times, colour)
        image = compose(KINDS[kind], [sprites[label] for label in scene.labels], vocabulary.colours[colour], rng)
        latents.append(vae.encode(to_tensor([image])).latent * vae.config.scaling_factor)
        scenes.append(scene)
    return Pictures(torch.cat(latents), scenes)


def train(configuration: Configuration, config: AdapterConfig) -> dict[str, Tensor]:
    """Train the products beside the shipped U-Net, which stays as it is."""
    rng = random.Random(configuration.seed)
    torch.manual_seed(configuration.seed)
    vocabulary = read_vocabulary(configuration.vocabulary)
    sprites = {label: gilded(sprite) for label, sprite in thing_sprites(configuration, vocabulary).items()}
    folder = configuration.model_folder
    vae = AutoencoderDC.from_pretrained(folder / "vae", torch_dtype=torch.float32).eval()
    shown = pictures(vae, sprites, vocabulary, config.num_pictures, rng)
    log.info("%d pictures are encoded", len(shown.scenes))
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", torch_dtype=torch.float32).requires_grad_(False)
    products = Products(unet, TARGETS, config.rank)
    optimizer = torch.optim.AdamW(products.weights, config.learning_rate, weight_decay=0.0)
    states, noise = load_text_states(text_encoder_folder(configuration)), torch.Generator().manual_seed(0)
    unet, scheduler = unet.to(memory_format=torch.channels_last), build_scheduler()
    for step in range(config.num_steps):
        optimizer.param_groups[0]["lr"] = config.learning_rate * min(1.0, 2 - 2 * step / config.num_steps)
        loss = velocity_loss(unet, scheduler, shown.batch(vocabulary, states, config, rng), noise)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 20 == 0:
            log.info("step %d, loss %.4f", step, float(loss.detach()))
    return {name: values.half() for name, values in in_diffusers_layout({"unet": products}).items()}


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train the example LoRA beside the shipped U-Net.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("models/adapters/gilded/pytorch_lora_weights.safetensors"))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    trained = train(read_configuration(arguments.config), AdapterConfig())
    safetensors.torch.save_file(trained, arguments.out, {"format": "pt"})


if __name__ == "__main__":
    main()
