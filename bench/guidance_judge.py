"""Who says what a guided picture shows: a network that learnt the things of real renders, and never their groups."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.nn import functional

from training.captions import Scene, sample_scene
from training.classifier import SIZE, build_classifier
from training.groups import GROUPS
from training.picture_classifier import Renders
from training.scenes import to_tensor

SEED = 77
"""Of no other training here."""


@dataclass(frozen=True)
class Verdict:
    """Of some pictures: probabilities of groups (B, groups), and the features (B, D) on which they rest."""

    groups: Tensor
    features: Tensor

    def accuracy(self, group: str) -> float:
        """The share of pictures that show this group sooner than any other."""
        return float((self.groups.argmax(1) == GROUPS.index(group)).float().mean())


@dataclass(frozen=True)
class Judge:
    """`membership` (things, groups) says to which group each thing belongs."""

    network: nn.Sequential
    membership: Tensor

    @torch.no_grad()
    def things(self, images: Sequence[Image.Image]) -> Tensor:
        """How likely each thing is what a picture shows, (B, things)."""
        shares: Tensor = self.network(seen(images)).softmax(1)
        return shares

    @torch.no_grad()
    def read(self, images: Sequence[Image.Image]) -> Verdict:
        """What these pictures show."""
        features: Tensor = self.network[:-1](seen(images))
        things = self.network[-1](features).softmax(1)
        return Verdict(things @ self.membership, features)


def seen(images: Sequence[Image.Image]) -> Tensor:
    """Pictures at the judge's size: (B, 3, 64, 64) in -1 … 1."""
    return to_tensor([image.resize((SIZE, SIZE), Image.Resampling.BOX) for image in images])


def membership_of(things: Sequence[str], groups: Mapping[str, str]) -> Tensor:
    """One row a thing, with a one at its group."""
    rows = torch.tensor([GROUPS.index(groups[label]) for label in things])
    return functional.one_hot(rows, len(GROUPS)).float()


def shown(renders: Renders, things: Sequence[str], scene: Scene) -> Tensor:
    """How much of a scene is of each thing, (things,); a recoloured thing is the thing."""
    shares = torch.zeros(len(things))
    for label in scene.labels:
        shares[things.index(renders.vocabulary.things[label].picture)] += 1 / len(scene.labels)
    return shares


def train_judge(renders: Renders, num_steps: int, num_scenes: int = 8000, batch_size: int = 64) -> Judge:
    """Learn what real renders of scenes show; the learning rate falls to zero. Equal steps, equal judge."""
    torch.manual_seed(SEED)
    rng, things = random.Random(SEED), renders.vocabulary.plain
    scenes = [sample_scene(renders.vocabulary, renders.shares, rng) for _ in range(num_scenes)]
    pixels = torch.cat([seen([_softened(renders.scene(scene, rng), rng)]) for scene in scenes])
    wanted = torch.stack([shown(renders, things, scene) for scene in scenes])
    network = build_classifier(len(things)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    for step in range(num_steps):
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / num_steps)
        rows = torch.tensor([rng.randrange(num_scenes) for _ in range(batch_size)])
        loss = functional.cross_entropy(network(pixels[rows]), wanted[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Judge(network.eval(), membership_of(things, renders.groups))


def kept_judge(renders: Renders, num_steps: int, file: Path) -> Judge:
    """The judge in a file, learnt and put there if the file is not there yet."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(train_judge(renders, num_steps).network.state_dict(), file)
    things = renders.vocabulary.plain
    network = build_classifier(len(things))
    network.load_state_dict(torch.load(file, weights_only=True))
    return Judge(network.eval(), membership_of(things, renders.groups))


def _softened(image: Image.Image, rng: random.Random) -> Image.Image:
    return image.filter(ImageFilter.GaussianBlur(rng.random() ** 2 * 2))
