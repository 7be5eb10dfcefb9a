"""This file knows how depth, normals, edges and segmentation become pictures, and writes scenes as a data set."""

from __future__ import annotations

import argparse
import random
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from training.configuration import Configuration, read_configuration
from training.dense_scenes import FARTHEST, FIRST_THING, FLOOR, NEAREST, WALL, DenseScene, Thing, draw_scene
from training.groups import GROUPS, read_groups
from training.sprites import is_held_out, load_sprite, pictures

MOST_THINGS = 4

COLOURS = np.array(
    [
        *[(0, 0, 0), (96, 96, 96)],
        *[(230, 80, 60), (60, 180, 75), (255, 225, 25), (245, 130, 48)],
        *[(0, 130, 200), (70, 240, 240), (145, 30, 180), (250, 190, 212)],
    ],
    dtype=np.uint8,
)
"""Of the wall, the floor, and each of GROUPS."""


def depth_map(scene: DenseScene) -> Image.Image:
    """Black is nearest, white is the wall."""
    share = (scene.depth - NEAREST) / (FARTHEST - NEAREST)
    return Image.fromarray((share * 255).round().astype(np.uint8)).convert("RGB")


def normals_map(scene: DenseScene) -> Image.Image:
    """Red grows to the right, green upwards, blue towards the viewer."""
    return Image.fromarray(((scene.normals + 1) * 127.5).round().astype(np.uint8))


def edges_map(scene: DenseScene) -> Image.Image:
    """White are the pixels that have a neighbour on another surface."""
    padded = np.pad(scene.labels, 1, mode="edge")
    height, width = scene.labels.shape
    around = [padded[1 + dy :, 1 + dx :][:height, :width] for dy, dx in ((-1, 0), (1, 0), (0, -1), (0, 1))]
    differs = np.any([other != scene.labels for other in around], axis=0)
    return Image.fromarray(np.where(differs, np.uint8(255), np.uint8(0))).convert("RGB")


def segmentation_map(scene: DenseScene) -> Image.Image:
    """Each pixel in the colour of what it shows."""
    kinds = np.array([WALL, FLOOR, *(FIRST_THING + group for group in scene.groups)])
    return Image.fromarray(COLOURS[kinds[scene.labels]])


MAPS: Mapping[str, Callable[[DenseScene], Image.Image]] = MappingProxyType(
    {"depth": depth_map, "normals": normals_map, "edges": edges_map, "segmentation": segmentation_map}
)


def read_things(configuration: Configuration, *, held_out: bool, most: int) -> list[Thing]:
    """Sprites with their groups: one in ten is held out, so that scores are of things that were not taught."""
    groups = read_groups(configuration.work_folder / "cache/emojibase/package")
    files = pictures(configuration)
    labels = [label for label in sorted(files) if label in groups and is_held_out(label) == held_out]
    chosen = random.Random(0).sample(labels, min(most, len(labels)))
    return [Thing(load_sprite(label, files[label]), GROUPS.index(groups[label])) for label in chosen]


def scenes(things: Sequence[Thing], number: int, seed: int) -> Iterator[DenseScene]:
    """So many scenes, each decided by the seed and its own number."""
    for index in range(number):
        rng = random.Random(f"{seed} {index}")
        yield draw_scene(rng.choices(things, k=rng.randint(1, MOST_THINGS)), rng)


def write(drawn: Iterator[DenseScene], task: str, folder: Path) -> None:
    """`<name>.png` and `<name>.target.png` for each scene; into one archive where `folder` is named like one."""
    if folder.suffix == ".zip":
        with zipfile.ZipFile(folder, "w") as archive:
            for name, image in _named(drawn, task):
                with archive.open(name, "w") as file:
                    image.save(file, "png")
        return
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in _named(drawn, task):
        image.save(folder / name)


def _named(drawn: Iterator[DenseScene], task: str) -> Iterator[tuple[str, Image.Image]]:
    for index, scene in enumerate(drawn):
        yield f"{index:05}.png", scene.image
        yield f"{index:05}.target.png", MAPS[task](scene)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Draw scenes with maps of which every pixel is known.")
    parser.add_argument("--config", type=Path, default=Path("training/safelight-emoji.toml"))
    parser.add_argument("--task", choices=MAPS, required=True)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--things", type=int, default=300, help="of so many sprites at most")
    parser.add_argument("--held-out", action="store_true", help="of sprites that are never taught")
    parser.add_argument("--out", type=Path, required=True, help="a folder, or an archive if it ends in .zip")
    arguments = parser.parse_args()
    things = read_things(read_configuration(arguments.config), held_out=arguments.held_out, most=arguments.things)
    write(scenes(things, arguments.number, arguments.seed), arguments.task, arguments.out)


if __name__ == "__main__":
    main()
