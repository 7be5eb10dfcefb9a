"""What is known of a drawn scene is exact: it follows from the scene's formulas, and not from what a network says."""

import random
import zipfile
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from training.dense_maps import COLOURS, MAPS, scenes, write
from training.dense_scenes import (
    BULGE,
    FARTHEST,
    FIRST_THING,
    FLOOR,
    FOCAL,
    NEAREST,
    WALL,
    DenseScene,
    Thing,
    draw_scene,
)
from training.scenes import SIZE
from training.sprites import Sprite


def disc(colour: tuple[int, int, int]) -> Sprite:
    image = Image.new("RGBA", (96, 96))
    ImageDraw.Draw(image).ellipse((0, 0, 95, 95), fill=colour)
    return Sprite(str(colour), image)


THINGS = [Thing(disc((220, 40, 40)), 0), Thing(disc((40, 40, 220)), 6), Thing(disc((40, 200, 40)), 1)]


def drawn(seed: int) -> DenseScene:
    return draw_scene(THINGS, random.Random(seed))


def test_equal_seeds_give_equal_scenes() -> None:
    first, second = (list(scenes(THINGS, 3, seed=5)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert one.image.tobytes() == other.image.tobytes()
        assert all(make(one).tobytes() == make(other).tobytes() for make in MAPS.values())
    assert first[0].image.tobytes() != first[1].image.tobytes()


@pytest.mark.parametrize("seed", range(8))
def test_what_is_nearer_hides_what_is_farther(seed: int) -> None:
    scene = drawn(seed)
    assert scene.depth.min() > NEAREST
    assert scene.depth.max() == FARTHEST == scene.depth[scene.labels == WALL].min()
    nearest_first = [scene.depth[scene.labels == label] for label in reversed(range(FIRST_THING, FIRST_THING + 3))]
    visible = [depths for depths in nearest_first if depths.size]
    assert all(nearer.max() < farther.min() for nearer, farther in pairwise(visible))
    assert visible[0].size > 300, "nothing stands before the nearest thing"


@pytest.mark.parametrize("seed", range(4))
def test_normals_are_those_of_the_depth(seed: int) -> None:
    scene = drawn(seed)
    assert np.abs(np.linalg.norm(scene.normals, axis=-1) - 1).max() < 1e-5
    assert (scene.normals[scene.labels == WALL] == (0, 0, 1)).all()
    assert (scene.normals[scene.labels == FLOOR] == (0, 1, 0)).all()
    thing = scene.labels == FIRST_THING + 2
    inner = thing.copy()
    inner[1:-1, 1:-1] &= thing[:-2, 1:-1] & thing[2:, 1:-1] & thing[1:-1, :-2] & thing[1:-1, 2:]
    row, column = np.argwhere(inner)[len(np.argwhere(inner)) // 3]
    stands_at = _depth_of_base(scene, thing)
    per_unit = FOCAL / stands_at / 2
    right = (scene.depth[row, column + 1] - scene.depth[row, column - 1]) * per_unit
    up = (scene.depth[row - 1, column] - scene.depth[row + 1, column]) * per_unit
    normal = scene.normals[row, column]
    assert normal[0] / normal[2] == pytest.approx(right, abs=0.02)
    assert normal[1] / normal[2] == pytest.approx(up, abs=0.02)


def _depth_of_base(scene: DenseScene, thing: np.ndarray) -> float:
    """Where a thing stands: a paraboloid's middle is its bulge nearer, and that is a share of its size there."""
    half = np.ptp(np.argwhere(thing), axis=0).max() / 2
    return float(scene.depth[thing].min() / (1 - BULGE * half / FOCAL))


def test_edges_are_where_labels_change() -> None:
    scene = drawn(1)
    edges = np.asarray(MAPS["edges"](scene))[..., 0]
    assert set(np.unique(edges)) == {0, 255}
    for row in range(1, SIZE - 1):
        for column in range(1, SIZE - 1):
            cross = scene.labels[[row - 1, row + 1, row, row], [column, column, column - 1, column + 1]]
            assert (edges[row, column] == 255) == bool((cross != scene.labels[row, column]).any())


def test_maps_say_what_the_scene_is() -> None:
    scene = drawn(2)
    depth = np.asarray(MAPS["depth"](scene)).astype(float)
    assert np.abs(depth[..., 0] / 255 * (FARTHEST - NEAREST) + NEAREST - scene.depth).max() < 0.02
    normals = np.asarray(MAPS["normals"](scene)).astype(float) / 127.5 - 1
    assert np.abs(normals - scene.normals).max() < 0.005
    segmentation = np.asarray(MAPS["segmentation"](scene))
    for label, group in enumerate(scene.groups, FIRST_THING):
        assert (segmentation[scene.labels == label] == COLOURS[FIRST_THING + group]).all()


def test_a_data_set_is_pictures_with_their_maps(tmp_path: Path) -> None:
    write(scenes(THINGS, 2, seed=0), "depth", tmp_path / "depth.zip")
    write(scenes(THINGS, 2, seed=0), "depth", tmp_path / "depth")
    names = ["00000.png", "00000.target.png", "00001.png", "00001.target.png"]
    with zipfile.ZipFile(tmp_path / "depth.zip") as archive:
        assert archive.namelist() == names == sorted(path.name for path in (tmp_path / "depth").iterdir())
        target = Image.open(BytesIO(archive.read("00001.target.png")))
    assert target.tobytes() == MAPS["depth"](list(scenes(THINGS, 2, seed=0))[1]).tobytes()
