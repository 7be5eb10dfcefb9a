"""This file knows how training scenes are put together from latents of single things, encoded once."""

from __future__ import annotations

import argparse
import logging
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderDC
from torch import Tensor

from training.autoencoder import build_autoencoder
from training.captions import Scene, Vocabulary, read_vocabulary
from training.checkpoints import averaged_weights
from training.configuration import AutoencoderConfig, read_configuration
from training.places import KINDS, REGIONS
from training.scenes import compose, to_tensor
from training.sprites import Drawings, thing_drawings

log = logging.getLogger(__name__)
Key = tuple[str, str, str]


@dataclass(frozen=True)
class Library:
    """Latents of every (label, kind, colour) with one thing on all spots; scaled to standard deviation 1."""

    latents: Tensor
    rows: dict[Key, list[int]]
    scaling_factor: float

    def scene(self, scene: Scene, rng: random.Random) -> Tensor:
        """(C, 16, 16): each spot's region is cut from the picture that shows its thing on every spot."""
        pictures = [self.latents[rng.choice(self.rows[label, scene.kind, scene.colour])] for label in scene.labels]
        canvas = pictures[0].float()
        for picture, spot in zip(pictures[1:], KINDS[scene.kind][1:], strict=True):
            rows, columns = REGIONS[spot]
            canvas[:, rows, columns] = picture[:, rows, columns].float()
        return canvas


def trained_autoencoder(config: AutoencoderConfig, checkpoint: Path) -> AutoencoderDC:
    """The trained autoencoder, from its checkpoint."""
    network = build_autoencoder(config)
    network.load_state_dict(averaged_weights(checkpoint))
    return _frozen(network)


def shipped_autoencoder(folder: Path) -> AutoencoderDC:
    """An autoencoder as a model is shipped with it."""
    return _frozen(AutoencoderDC.from_pretrained(folder, torch_dtype=torch.float32))


def _frozen(network: AutoencoderDC) -> AutoencoderDC:
    return network.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def library_keys(vocabulary: Vocabulary) -> list[Key]:
    """What is encoded: every thing alone (on white four times, else twice); if not recoloured, of each other kind."""
    keys: list[Key] = []
    for label, thing in vocabulary.things.items():
        for colour in vocabulary.colours:
            keys += [(label, "single", colour)] * (4 if colour == "white" else 2)
            keys += [(label, kind, colour) for kind in KINDS if kind != "single" and thing.tint is None]
    return keys


@torch.no_grad()
def encode_keys(
    network: AutoencoderDC,
    drawings: Drawings,
    vocabulary: Vocabulary,
    keys: Sequence[Key],
    seed: int,
) -> Tensor:
    """Render and encode everything in `keys`: (len(keys), C, 16, 16)."""
    rng = random.Random(seed)
    encoded = []
    for start in range(0, len(keys), 32):
        images = [
            compose(KINDS[kind], drawings.of(kind, [label] * len(KINDS[kind])), vocabulary.colours[colour], rng)
            for label, kind, colour in keys[start : start + 32]
        ]
        pixels = to_tensor(images).contiguous(memory_format=torch.channels_last)
        encoded.append(network.encode(pixels).latent.contiguous())
        if start % 1600 == 0:
            log.info("encoded %d of %d", start, len(keys))
    return torch.cat(encoded)


def library_of(latents: Tensor, keys: Sequence[Key], factor: float) -> Library:
    """A library of what was encoded from `keys`, scaled by a factor."""
    rows: dict[Key, list[int]] = {}
    for row, key in enumerate(keys):
        rows.setdefault(key, []).append(row)
    return Library((latents * factor).half(), rows, factor)


def save_library(library: Library, path: Path) -> None:
    """Write the library; labels never hold a tab."""
    rows = {"\t".join(key): value for key, value in library.rows.items()}
    torch.save({"latents": library.latents, "rows": rows, "scaling_factor": library.scaling_factor}, path)


def load_library(path: Path) -> Library:
    """Read what `save_library` wrote."""
    table = torch.load(path, weights_only=True)
    rows = {(parts[0], parts[1], parts[2]): value for parts, value in _split(table["rows"])}
    return Library(table["latents"], rows, table["scaling_factor"])


def _split(rows: dict[str, list[int]]) -> Iterator[tuple[list[str], list[int]]]:
    return ((key.split("\t"), value) for key, value in rows.items())


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Render and encode every thing on every spot and background.")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--start", type=Path, default=None, help="a shipped autoencoder to encode with")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    configuration = read_configuration(arguments.config)
    torch.set_num_threads(configuration.num_threads)
    torch.set_flush_denormal(True)
    vocabulary = read_vocabulary(configuration.vocabulary)
    drawings = thing_drawings(configuration, vocabulary)
    keys, path = library_keys(vocabulary), configuration.work_folder / "autoencoder.pt"
    shipped = None if arguments.start is None else shipped_autoencoder(arguments.start)
    network = shipped or trained_autoencoder(configuration.autoencoder, path)
    latents = encode_keys(network, drawings, vocabulary, keys, configuration.seed)
    factor = 1.0 / float(latents.std()) if shipped is None else shipped.config.scaling_factor
    library = library_of(latents, keys, factor)
    log.info("scaling factor %.4f, %d latents", library.scaling_factor, len(library.latents))
    save_library(library, configuration.work_folder / "library.pt")


if __name__ == "__main__":
    main()
