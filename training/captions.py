"""This file knows what may be said about a scene, and which sayings are kept for evaluation."""

from __future__ import annotations

import hashlib
import random
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from training.configuration import Shares
from training.places import KINDS, Colour

COUNTS = {2: "two", 3: "three", 4: "four"}

_SINGLE = (
    ("{}",) * 10
    + ("{name}",) * 3
    + (
        "a picture of {}",
        "an image of {}",
        "a drawing of {}",
        "an emoji of {}",
        "{name} emoji",
        "{name} icon",
        "a cute {name}",
        "a little {name}",
        "a big {name}",
        "a lovely {name}",
        "a 3d {name}",
        "{} in 3d",
    )
)
_FLAT = ("a flat {name}", "a flat {name}", "{} in a flat style", "a flat drawing of {}", "a flat icon of {}")
"""What may be said of one thing: `{}` is its name with an article, `{name}` without."""


@dataclass(frozen=True)
class Thing:
    """One object that the model knows, its names, since which edition; `tint` is the hue of a recoloured sprite."""

    label: str
    names: tuple[str, ...]
    plural: str
    picture: str
    held_out: str | None = None
    tint: int | None = None
    edition: int = 1


@dataclass(frozen=True)
class Vocabulary:
    """All things and background colours."""

    things: Mapping[str, Thing]
    colours: Mapping[str, Colour]

    @property
    def plain(self) -> list[str]:
        """Labels of the things in their own colours."""
        return [label for label, thing in self.things.items() if thing.tint is None]

    def in_own_colours(self) -> Vocabulary:
        """The vocabulary without the recoloured things."""
        return Vocabulary({label: self.things[label] for label in self.plain}, self.colours)


@dataclass(frozen=True)
class Scene:
    """What a picture shows: things in the order of their spots, on a background."""

    kind: str
    labels: tuple[str, ...]
    colour: str


def read_vocabulary(path: Path) -> Vocabulary:
    """Read the data file and add the recoloured things."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    things: dict[str, Thing] = {}
    for edition, objects in ((1, "objects"), (2, "objects_of_the_second_edition")):
        for label, entry in table[objects].items():
            names = tuple(entry["names"])
            plural = entry.get("plural", names[0] + "s")
            things[label] = Thing(label, names, plural, label, entry.get("held_out"), edition=edition)
    for picture, (name, own) in table["tintable"].items():
        for colour, hue in table["tints"].items():
            if colour != own:
                label = f"{colour} {picture}"
                things[label] = Thing(label, (f"{colour} {name}",), f"{colour} {name}s", picture, None, hue)
    return Vocabulary(things, {name: (rgb[0], rgb[1], rgb[2]) for name, rgb in table["colours"].items()})


def with_article(name: str) -> str:
    """'a fox', 'an egg', 'scissors'."""
    if name.endswith("s") and not name.endswith(("ss", "us")) and " of " not in name:
        return name
    vowel = name[0].lower() in "aeio" or name.startswith(("umbrella", "hourglass"))
    return f"an {name}" if vowel else f"a {name}"


def is_held_out_pair(first: str, second: str) -> bool:
    """Whether training never shows these two things together, in either order: one pair in ten."""
    return hashlib.sha256("+".join(sorted((first, second))).encode()).digest()[0] % 10 == 0


def sample_scene(vocabulary: Vocabulary, shares: Shares, rng: random.Random) -> Scene:
    """Draw what the next training picture shows."""
    white = rng.random() < shares.white
    colour = "white" if white else rng.choice([name for name in vocabulary.colours if name != "white"])
    draw = rng.random()
    if draw < shares.beside + shares.stacked:
        kind = "beside" if draw < shares.beside else "stacked"
        return Scene(kind, _sample_pair(vocabulary, rng), colour)
    draw -= shares.beside + shares.stacked
    for kind, share in (("beside", shares.two), ("three", shares.three), ("four", shares.four), ("flat", shares.flat)):
        if draw < share:
            return Scene(kind, (rng.choice(vocabulary.plain),) * len(KINDS[kind]), colour)
        draw -= share
    return Scene("single", (sample_label(vocabulary, shares, rng),), colour)


def sample_label(vocabulary: Vocabulary, shares: Shares, rng: random.Random) -> str:
    """Draw one thing; recoloured things come at their own share."""
    tinted = rng.random() < shares.tinted
    return rng.choice([label for label, thing in vocabulary.things.items() if (thing.tint is not None) == tinted])


def _sample_pair(vocabulary: Vocabulary, rng: random.Random) -> tuple[str, str]:
    while True:
        first, second = rng.sample(vocabulary.plain, 2)
        if not is_held_out_pair(first, second):
            return first, second


def caption(scene: Scene, vocabulary: Vocabulary, rng: random.Random) -> str:
    """One true sentence about the scene; a white background need not be named."""
    text = _foreground(scene, vocabulary, rng)
    if scene.colour == "white" and rng.random() < 0.85:
        return text
    link = rng.choice(("on", "on", "on", "against", "in front of"))
    return f"{text} {link} {with_article(scene.colour)} background"


def _foreground(scene: Scene, vocabulary: Vocabulary, rng: random.Random) -> str:
    things = [vocabulary.things[label] for label in scene.labels]
    if len(set(scene.labels)) == 1 and len(things) > 1:
        return f"{COUNTS[len(things)]} {things[0].plural}"
    names = [rng.choice((thing.names[0], *thing.names)) for thing in things]
    if scene.kind == "flat":
        return rng.choice(_FLAT).format(with_article(names[0]), name=names[0])
    if scene.kind == "single":
        return _single(names[0], rng)
    first, second = (with_article(name) for name in names)
    return _pair(scene.kind, first, second, rng)


def _single(name: str, rng: random.Random) -> str:
    return rng.choice(_SINGLE).format(with_article(name), name=name)


def _pair(kind: str, first: str, second: str, rng: random.Random) -> str:
    if kind == "beside":
        left, right = f"{first} to the left of {second}", f"{second} to the right of {first}"
        return rng.choice((left, left, right, right, f"{first} and {second}", f"{first} next to {second}"))
    return rng.choice((f"{first} above {second}", f"{second} below {first}", f"{first} on top of {second}"))
