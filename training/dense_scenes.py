"""This file knows scenes of a floor, a wall and sprites that bulge, of which depth and normals follow from formulas."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.places import Colour
from training.scenes import SIZE
from training.sprites import Sprite

Map = npt.NDArray[np.float32]
Labels = npt.NDArray[np.uint8]

FOCAL = float(SIZE)
"""Of the camera, in pixels; it looks straight ahead, one unit above the floor."""

NEAREST, FARTHEST = 1.0, 6.0
"""Depths: nothing is nearer, and the wall stands at the other end. Units: heights of the camera."""

STANDING = 2.0, 5.0
"""The depths on which things stand: at most five, for the gaps between them."""

GAP = 0.7
"""Between the depths of two things, so that no bulge reaches into what stands before it."""

BULGE = 0.8
"""How far the middle of a thing comes forward, in halves of its longer side."""

LIGHT = np.array([-0.4, 0.6, 0.7], dtype=np.float32) / np.float32(1.005)
"""Where light comes from: right, up, towards the viewer."""

WALL, FLOOR, FIRST_THING = 0, 1, 2


@dataclass(frozen=True)
class Thing:
    """A sprite, and what it is: an index of `training.groups.GROUPS`."""

    sprite: Sprite
    group: int


class Surface(NamedTuple):
    """A part of a scene: where it is seen, its depth and its normals there, and its colours.

    Normals say how far they point right, up and towards the viewer.
    Shapes: seen, depth and alpha (H, W), normals and colours (H, W, 3).
    """

    seen: npt.NDArray[np.bool_]
    depth: Map
    normals: Map
    alpha: Map
    colours: Map


@dataclass(frozen=True)
class DenseScene:
    """A picture and what is known of each of its pixels.

    `labels` tells surfaces apart: the wall, the floor, then things, the farthest first, whose groups are in `groups`.
    Shapes: depth (H, W), normals (H, W, 3), labels (H, W).
    """

    image: Image.Image
    depth: Map
    normals: Map
    labels: Labels
    groups: tuple[int, ...]


def draw_scene(things: Sequence[Thing], rng: random.Random) -> DenseScene:
    """A scene of these things, nowhere nearer to each other than `GAP`; equal `rng` states, equal scenes."""
    horizon = rng.uniform(0.32, 0.45) * SIZE
    surfaces = [_wall(_colour(rng)), _floor(horizon, _colour(rng))]
    depths = _depths(len(things), rng)
    surfaces += [_standing(thing, depth, horizon, rng) for thing, depth in zip(things, depths, strict=True)]
    return _composed(surfaces, tuple(thing.group for thing in things))


def _depths(count: int, rng: random.Random) -> list[float]:
    """Depths on which things stand, the farthest first, with `GAP` between them."""
    free = STANDING[1] - STANDING[0] - GAP * (count - 1)
    drawn = sorted(STANDING[0] + free * rng.random() for _ in range(count))
    return [depth + GAP * rank for rank, depth in enumerate(drawn)][::-1]


def _composed(surfaces: Sequence[Surface], groups: tuple[int, ...]) -> DenseScene:
    """Each pixel is its nearest surface's; only the picture has soft borders."""
    depth = np.full((SIZE, SIZE), np.inf, dtype=np.float32)
    normals, labels = np.zeros((SIZE, SIZE, 3), dtype=np.float32), np.zeros((SIZE, SIZE), dtype=np.uint8)
    picture = np.zeros((SIZE, SIZE, 3), dtype=np.float32)
    for label, surface in enumerate(surfaces):
        nearest = surface.seen & (surface.depth < depth)
        depth[nearest], normals[nearest], labels[nearest] = surface.depth[nearest], surface.normals[nearest], label
        weight = surface.alpha[..., None]
        picture = weight * surface.colours * _shade(surface.normals) + (1 - weight) * picture
    image = Image.fromarray(picture.clip(0, 255).round().astype(np.uint8))
    return DenseScene(image, depth, normals, labels, groups)


def _shade(normals: Map) -> Map:
    """How light a surface is, (H, W, 1). Source: Lambert's cosine law."""
    lit = (normals @ LIGHT).clip(0, 1)[..., None]
    return (0.45 + 0.55 * lit).astype(np.float32)


def _wall(colour: Colour) -> Surface:
    everywhere = np.ones((SIZE, SIZE), dtype=bool)
    return _plane(everywhere, np.full((SIZE, SIZE), FARTHEST, dtype=np.float32), (0, 0, 1), colour)


def _floor(horizon: float, colour: Colour) -> Surface:
    """Source: a pinhole camera's rows below the horizon are FOCAL × height / depth."""
    below = np.maximum(_rows() - np.float32(horizon), np.float32(1e-3))
    depth = np.broadcast_to(np.float32(FOCAL) / below, (SIZE, SIZE)).astype(np.float32)
    return _plane(depth < FARTHEST, depth, (0, 1, 0), colour)


def _plane(seen: npt.NDArray[np.bool_], depth: Map, normal: tuple[int, int, int], colour: Colour) -> Surface:
    normals, colours = (np.broadcast_to(np.array(one, dtype=np.float32), (SIZE, SIZE, 3)) for one in (normal, colour))
    return Surface(seen, depth, normals, seen.astype(np.float32), colours)


def _standing(thing: Thing, depth: float, horizon: float, rng: random.Random) -> Surface:
    """A sprite on the floor at this depth, as large as that makes it, its middle come forward as a paraboloid's."""
    height = rng.uniform(0.9, 1.3)
    sprite = thing.sprite.scaled(round(FOCAL * height / depth))
    base = horizon + FOCAL / depth
    left = round(rng.uniform(0, SIZE - sprite.width)) if sprite.width < SIZE else 0
    layer = Image.new("RGBA", (SIZE, SIZE))
    layer.paste(sprite, (left, round(base) - sprite.height))
    pixels = np.asarray(layer, dtype=np.float32)
    half = max(sprite.size) / 2
    across = (_columns() - (left + sprite.width / 2)) / half
    down = (_rows() - (round(base) - sprite.height / 2)) / half
    bulge = BULGE * half * depth / FOCAL
    surface = depth - bulge * (1 - (across**2 + down**2) / 2)
    normals = _unit(BULGE * across, -BULGE * down)
    alpha = (pixels[..., 3] / 255).astype(np.float32)
    return Surface(alpha >= 0.5, surface.astype(np.float32), normals, alpha, pixels[..., :3])


def _unit(to_the_right: Map, upwards: Map) -> Map:
    """Normals of a surface whose depth grows by so much to the right and upwards, towards the viewer, (H, W, 3)."""
    right, up = np.broadcast_arrays(to_the_right, upwards)
    normals = np.stack([right, up, np.ones_like(right)], axis=-1).astype(np.float32)
    unit: Map = normals / np.linalg.norm(normals, axis=-1, keepdims=True)
    return unit


def _rows() -> Map:
    """The middles of the rows, (H, 1)."""
    return np.arange(SIZE, dtype=np.float32)[:, None] + np.float32(0.5)


def _columns() -> Map:
    """The middles of the columns, (1, W)."""
    return np.arange(SIZE, dtype=np.float32)[None, :] + np.float32(0.5)


def _colour(rng: random.Random) -> Colour:
    return rng.randint(120, 250), rng.randint(120, 250), rng.randint(120, 250)
