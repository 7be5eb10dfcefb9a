"""This file knows how the judge learns: a small classifier of real sprites that has never seen a generated picture."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from PIL import Image, ImageFilter, ImageOps
from torch import Tensor, nn
from torch.nn import functional

from training.checkpoints import Budget
from training.places import SPOTS
from training.scenes import to_tensor
from training.sprites import Sprite

SIZE = 64


def build_classifier(num_classes: int) -> nn.Sequential:
    """Four convolutions that halve the picture, the mean over space, one linear layer: 0.3 M parameters."""
    layers: list[nn.Module] = []
    for before, after in ((3, 32), (32, 64), (64, 128), (128, 192)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(192, num_classes))


def augmented(sprite: Sprite, rng: random.Random) -> Image.Image:
    """The sprite in a size, place, sharpness and reading direction of its own, on any plain colour."""
    canvas = Image.new("RGB", (SIZE, SIZE), (rng.randint(0, 255), rng.randint(0, 255), rng.randint(0, 255)))
    image = sprite.scaled(rng.randint(44, 62))
    image = ImageOps.mirror(image) if rng.random() < 0.5 else image
    left, top = ((SIZE - side) // 2 + rng.randint(-5, 5) for side in image.size)
    canvas.paste(image, (left, top), image)
    return canvas.filter(ImageFilter.GaussianBlur(rng.random() * 1.5))


@dataclass(frozen=True)
class Classifier:
    """A trained judge; `labels` names its classes."""

    network: nn.Module
    labels: tuple[str, ...]

    @torch.no_grad()
    def scores(self, images: Sequence[Image.Image]) -> Tensor:
        """Logarithms of probabilities, (B, classes)."""
        resized = [image.resize((SIZE, SIZE), Image.Resampling.BOX) for image in images]
        return functional.log_softmax(self.network(to_tensor(resized)), dim=1)

    def row(self, label: str) -> int:
        """The class of a label."""
        return self.labels.index(label)


def at_spot(image: Image.Image, spot: str) -> Image.Image:
    """The square around one spot of a scene with several things, at the size that the judge learnt."""
    x, y = SPOTS[spot]
    return image.crop((x - SIZE // 2, y - SIZE // 2, x + SIZE // 2, y + SIZE // 2))


def train_classifier(sprites: Mapping[str, Sprite], budget: Budget, seed: int, batch_size: int = 64) -> Classifier:
    """Learn until the budget is spent; the learning rate falls to zero in a straight line."""
    torch.manual_seed(seed)
    rng, labels = random.Random(seed), tuple(sprites)
    network = build_classifier(len(labels)).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    while (progress := budget.progress()) < 1.0:
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - progress)
        rows = [rng.randrange(len(labels)) for _ in range(batch_size)]
        pixels = to_tensor([augmented(sprites[labels[row]], rng) for row in rows])
        loss = functional.cross_entropy(network(pixels), torch.tensor(rows), label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Classifier(network.eval(), labels)


def held_out_accuracy(classifier: Classifier, sprites: Mapping[str, Sprite], seed: int, num_each: int = 4) -> float:
    """Top-1 on augmentations that training did not draw; `seed` must not be the training's."""
    rng = random.Random(seed)
    rows = [row for row in range(len(classifier.labels)) for _ in range(num_each)]
    found = classifier.scores([augmented(sprites[classifier.labels[row]], rng) for row in rows]).argmax(1)
    return float((found == torch.tensor(rows)).float().mean())
