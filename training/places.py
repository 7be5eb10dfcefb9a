"""This file knows where the objects of a scene stand: one geometry for each kind of scene, in pixels and latents."""

from __future__ import annotations

Colour = tuple[int, int, int]

SPOTS: dict[str, tuple[int, int]] = {
    "centre": (64, 64),
    "left": (33, 64),
    "right": (95, 64),
    "top": (64, 33),
    "bottom": (64, 95),
    "top left": (33, 33),
    "top right": (95, 33),
    "bottom left": (33, 95),
    "bottom right": (95, 95),
}

_LOW, _HIGH, _ALL = slice(0, 8), slice(8, 16), slice(0, 16)

REGIONS: dict[str, tuple[slice, slice]] = {
    "centre": (_ALL, _ALL),
    "left": (_ALL, _LOW),
    "right": (_ALL, _HIGH),
    "top": (_LOW, _ALL),
    "bottom": (_HIGH, _ALL),
    "top left": (_LOW, _LOW),
    "top right": (_LOW, _HIGH),
    "bottom left": (_HIGH, _LOW),
    "bottom right": (_HIGH, _HIGH),
}

KINDS: dict[str, tuple[str, ...]] = {
    "single": ("centre",),
    "beside": ("left", "right"),
    "stacked": ("top", "bottom"),
    "three": ("top left", "top right", "bottom"),
    "four": ("top left", "top right", "bottom left", "bottom right"),
    "flat": ("centre",),
}
