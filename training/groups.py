"""This file knows which group of emoji each thing belongs to: Unicode's own groups, made into eight of use here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from training.captions import Scene, Vocabulary
from training.configuration import Configuration

GROUPS = (
    "animals",
    "plants",
    "fruit and vegetables",
    "food and drink",
    "travel and places",
    "sky and weather",
    "objects",
    "smileys",
)

_BY_SUBGROUP = {
    "animal": "animals",
    "plant": "plants",
    "food-fruit": "fruit and vegetables",
    "food-vegetable": "fruit and vegetables",
    "food": "food and drink",
    "drink": "food and drink",
    "dishware": "food and drink",
    "sky-weather": "sky and weather",
    "time": "objects",
    "place": "travel and places",
    "transport": "travel and places",
    "hotel": "travel and places",
}
"""Beginnings of the names of subgroups, the longest that fits is meant."""

_BY_GROUP = {"smileys-emotion": "smileys", "activities": "objects", "objects": "objects"}


def group_of(group: str, subgroup: str) -> str | None:
    """One of GROUPS for the names of a group and a subgroup of emojibase, None for people, symbols and flags."""
    beginnings = [beginning for beginning in _BY_SUBGROUP if subgroup.startswith(beginning)]
    if group in _BY_GROUP or not beginnings:
        return _BY_GROUP.get(group)
    return _BY_SUBGROUP[max(beginnings, key=len)]


def read_groups(folder: Path) -> dict[str, str]:
    """Label to group, of every emoji that has one; `folder` is the unpacked emojibase-data."""
    names = json.loads((folder / "meta/groups.json").read_text(encoding="utf-8"))
    groups: dict[str, str] = {}
    for entry in json.loads((folder / "en/data.json").read_text(encoding="utf-8")):
        group, subgroup = (names[kind].get(str(entry.get(kind[:-1])), "") for kind in ("groups", "subgroups"))
        found = group_of(group, subgroup)
        if found is not None:
            groups[entry["label"]] = found
    return groups


def thing_groups(configuration: Configuration, vocabulary: Vocabulary) -> dict[str, str]:
    """The group of every thing of the vocabulary; a recoloured thing is in its picture's."""
    groups = read_groups(configuration.work_folder / "cache/emojibase/package")
    return {label: groups[thing.picture] for label, thing in vocabulary.things.items()}


def shares_of(scene: Scene, groups: Mapping[str, str]) -> Tensor:
    """How much of a scene is of each group, (groups,): a fox beside a pizza is half animal, half food."""
    shares = torch.zeros(len(GROUPS))
    for label in scene.labels:
        shares[GROUPS.index(groups[label])] += 1 / len(scene.labels)
    return shares


def is_pure(scene: Scene, groups: Mapping[str, str], group: str) -> bool:
    """Whether all that a scene shows is of one group."""
    return all(groups[label] == group for label in scene.labels)


def accuracy(logits: Tensor, shares: Tensor) -> float:
    """The share of rows whose largest logit is a group of the scene. Shapes: both (B, groups)."""
    return float(shares.gather(1, logits.argmax(1, keepdim=True)).gt(0).float().mean())


def group_rows(groups: Sequence[str]) -> Tensor:
    """The index of each group, (B,)."""
    return torch.tensor([GROUPS.index(group) for group in groups])
