"""This file knows what the shipped classifiers' folders hold: weights in 16 bit, labels, and a card with the scores."""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file

from training import picture_classifier
from training.captions import Scene
from training.checkpoints import averaged_weights
from training.configuration import Configuration, read_configuration
from training.export import write_json
from training.groups import GROUPS, thing_groups
from training.noise_aware import accuracies, fitted, group_members, held_out, singles_of
from training.picture_classifier import Renders, build_network, renders_of
from training.scenes import SIZE
from worker.latent_classifier import LatentClassifier, Shape

log = logging.getLogger(__name__)
_CARDS = Path(__file__).with_name("classifier_cards")
MEASURING_SEED = 4242


def autoencoder_digest(configuration: Configuration) -> str:
    """SHA-256 of the autoencoder whose latents the classifier reads."""
    file = configuration.model_folder / "vae/diffusion_pytorch_model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest()


def latents_configuration(configuration: Configuration, shape: Shape, labels: Sequence[str]) -> dict[str, Any]:
    """`config.json` of the classifier of latents, but for its groups."""
    return {
        "architecture": "LatentClassifier",
        "in_channels": shape.in_channels,
        "side": shape.side,
        "rank": shape.rank,
        "num_colours": shape.num_colours,
        "id2label": {str(index): name for index, name in enumerate(labels)},
        "latents": "variance_preserving",
        "noise_level": "log_snr",
        "trained_on": configuration.model_id,
        "autoencoder_sha256": autoencoder_digest(configuration),
    }


def export_latents(
    configuration: Configuration,
    folder: Path,
    network: LatentClassifier,
    labels: Sequence[str],
    groups: Mapping[str, str],
) -> LatentClassifier:
    """Write the classifier of latents, and return it as it was written."""
    described = latents_configuration(configuration, network.shape, labels)
    write_json(folder / "config.json", described | {"groups": group_members(labels, groups)})
    weights = {name: value.half().contiguous() for name, value in network.state_dict().items()}
    save_file(weights, folder / "model.safetensors")
    written = LatentClassifier(network.shape)
    written.load_state_dict({name: value.float() for name, value in weights.items()})
    return written.eval().requires_grad_(False)


def export_pixels(configuration: Configuration, folder: Path) -> torch.nn.Module:
    """Write the moving average of the classifier of pictures in transformers' layout, and return it as written."""
    network = build_network(configuration.pixels_classifier)
    network.load_state_dict(averaged_weights(configuration.work_folder / picture_classifier.CHECKPOINT))
    network.half().save_pretrained(folder)
    size = configuration.pixels_classifier.size
    preprocessing = {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True,
        "size": {"height": size, "width": size},
        "resample": 2,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    write_json(folder / "preprocessor_config.json", preprocessing)
    read: torch.nn.Module = network.float().eval()
    return read


def write_samples(renders: Renders, folder: Path, num_each: int = 3) -> None:
    """Write fresh renders of single things as one picture: a column a group, for the card and for tests."""
    rng = random.Random(MEASURING_SEED)
    sheet = Image.new("RGB", (SIZE * len(GROUPS), SIZE * num_each))
    for column, group in enumerate(GROUPS):
        things = [label for label in renders.vocabulary.plain if renders.groups[label] == group]
        for row, label in enumerate(rng.sample(things, num_each)):
            scene = Scene("single", (label,), rng.choice(list(renders.vocabulary.colours)))
            sheet.paste(renders.scene(scene, rng), (SIZE * column, SIZE * row))
    sheet.save(folder / "samples.webp", quality=50, method=6)


def write_card(folder: Path, name: str, scores: Mapping[str, float]) -> None:
    """Write the card: the committed text, how often the classifier was right, the file's size and SHA-256."""
    file = folder / "model.safetensors"
    rows = ["| asked | right |", "|---|---|", *(f"| {asked} | {right:.3f} |" for asked, right in scores.items())]
    digest = (
        f"`model.safetensors`: {file.stat().st_size} bytes, SHA-256 `{hashlib.sha256(file.read_bytes()).hexdigest()}`"
    )
    text = (_CARDS / f"{name}.md").read_text(encoding="utf-8")
    card = text.replace("{{scores}}", "\n".join(rows)).replace("{{digest}}", digest)
    (folder / "README.md").write_text(card, encoding="utf-8")


def make_latents(configuration: Configuration) -> None:
    """Fit, export and measure the classifier of latents."""
    singles, folder = singles_of(configuration), configuration.classifiers_folder / "emoji-groups"
    groups = thing_groups(configuration, singles.vocabulary)
    network = fitted(singles, configuration.latents_classifier, configuration.seed)
    network = export_latents(configuration, folder, network, singles.labels, groups)
    fresh = held_out(configuration, singles.vocabulary)
    scores = accuracies(network, fresh, singles, groups, MEASURING_SEED)
    log.info("%s", json.dumps(scores))
    write_samples(renders_of(configuration), folder)
    write_card(folder, "latents", scores)


def make_pixels(configuration: Configuration, minutes: float) -> None:
    """Train, export and measure the classifier of pictures."""
    renders, folder = renders_of(configuration), configuration.classifiers_folder / "emoji-groups-pixels"
    picture_classifier.train(configuration, renders, minutes)
    network = export_pixels(configuration, folder)
    scores = picture_classifier.accuracies(network, renders, configuration.pixels_classifier.size, MEASURING_SEED)
    log.info("%s", json.dumps(scores))
    write_card(folder, "pixels", scores)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(
        description="Make and export the classifiers that guidance follows: of noisy latents, and of pictures."
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument(
        "--kind", choices=("latents", "pixels"), action="append", help="again for both; both if left out"
    )
    parser.add_argument(
        "--minutes", type=float, default=None, help="wall-clock budget of the one of pictures, not the configured one"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(configuration.num_threads)
    torch.set_flush_denormal(True)
    kinds = arguments.kind or ["latents", "pixels"]
    if "latents" in kinds:
        make_latents(configuration)
    if "pixels" in kinds:
        make_pixels(configuration, arguments.minutes or configuration.pixels_classifier.minutes)


if __name__ == "__main__":
    main()
