"""This file knows what the shipped folder holds: diffusers' layout, 16-bit weights, and the card with their digests."""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import textwrap
from importlib.metadata import version
from pathlib import Path

import torch
from diffusers import AutoencoderDC, UNet2DConditionModel

from training.autoencoder import build_autoencoder
from training.captions import Vocabulary, read_vocabulary
from training.checkpoints import averaged_weights
from training.configuration import Configuration, read_configuration
from training.denoiser import build_unet
from training.latents import load_library
from training.schedule import build_scheduler
from training.text_states import MAX_LENGTH, text_encoder_folder

_CARD = Path(__file__).with_name("card.md")


def export_networks(folder: Path, vae: AutoencoderDC, unet: UNet2DConditionModel) -> None:
    """Write both networks and the scheduler in 16 bit."""
    vae.half().save_pretrained(folder / "vae")
    unet.half().save_pretrained(folder / "unet")
    build_scheduler().save_pretrained(folder / "scheduler")


def export_text(source: Path, folder: Path) -> None:
    """Write the configurations of tokenizer and text encoder; vocabulary and weights stay in their package."""
    (folder / "tokenizer").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source / "special_tokens_map.json", folder / "tokenizer" / "special_tokens_map.json")
    settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    settings |= {"model_max_length": MAX_LENGTH, "tokenizer_class": "BertTokenizerFast"}
    settings.pop("max_length", None)
    write_json(folder / "tokenizer/tokenizer_config.json", settings)
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    config.pop("_name_or_path", None)
    write_json(folder / "text_encoder/config.json", config | {"use_attention_mask": True})


def export_index(folder: Path) -> None:
    """Write `model_index.json`, which names the class of every part."""
    index = {
        "_class_name": "StableDiffusionPipeline",
        "_diffusers_version": version("diffusers"),
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "DDIMScheduler"],
        "text_encoder": ["transformers", "BertModel"],
        "tokenizer": ["transformers", "BertTokenizerFast"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderDC"],
    }
    write_json(folder / "model_index.json", index)


def write_json(path: Path, value: object) -> None:
    """Write JSON as the other files of the layout are written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_card(folder: Path, vocabulary: Vocabulary) -> None:
    """Write the model card: the committed text, what the model knows, every weight file's size and SHA-256."""
    known = ", ".join(sorted(vocabulary.things[label].names[0] for label in vocabulary.plain))
    lines = ["| file | bytes | SHA-256 |", "|---|---|---|"]
    for path in sorted(folder.rglob("*.safetensors")):
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        lines.append(f"| `{path.relative_to(folder).as_posix()}` | {path.stat().st_size} | `{digest}` |")
    text = _CARD.read_text(encoding="utf-8")
    card = text.replace("{{things}}", textwrap.fill(known, 118)).replace("{{digests}}", "\n".join(lines))
    (folder / "README.md").write_text(card, encoding="utf-8")


def export(configuration: Configuration) -> None:
    """Write the whole model folder from the checkpoints."""
    library = load_library(configuration.work_folder / "library.pt")
    vae = build_autoencoder(configuration.autoencoder, library.scaling_factor)
    vae.load_state_dict(averaged_weights(configuration.work_folder / "autoencoder.pt"))
    channels, size = library.latents.shape[1], library.latents.shape[2]
    unet = build_unet(configuration.denoiser, channels, size, 384)
    unet.load_state_dict(averaged_weights(configuration.work_folder / "denoiser.pt"))
    export_networks(configuration.model_folder, vae, unet)
    export_text(text_encoder_folder(configuration), configuration.model_folder)
    export_index(configuration.model_folder)
    write_card(configuration.model_folder, read_vocabulary(configuration.vocabulary))


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Write the trained model in diffusers layout.")
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    export(read_configuration(arguments.config))


if __name__ == "__main__":
    main()
