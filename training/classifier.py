"""This file knows how a judge learns: a small classifier of real sprites that has never seen a generated picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from training.checkpoints import Budget
from training.places import SPOTS
from training.scenes import to_tensor
from training.sprites import Sprite
from worker.devices import has_fast_bf16

SIZE = 64
_LONGER_SIDE = 62


def build_classifier(num_classes: int, channels: Sequence[int] = (32, 64, 128, 192)) -> nn.Sequential:
    """Convolutions that halve the picture, the mean over space, one linear layer; by default 0.3 M parameters."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *channels), channels, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels[-1], num_classes))


@dataclass(frozen=True)
class Cutouts:
    """Sprites in the middle of squares, colours multiplied by alpha, and the class of each.

    Shapes: pixels (N, 4, 64, 64) in 0 … 255, rows (N,); `labels` names the classes.
    """

    pixels: Tensor
    rows: Tensor
    labels: tuple[str, ...]

    def augmented(self, chosen: Tensor, generator: torch.Generator) -> Tensor:
        """The chosen sprites (B,), each in a size, place and sharpness of its own, on white or any plain colour.

        Shape: (B, 3, 64, 64) in -1 … 1.
        """
        drawn = torch.rand((len(chosen), 8), generator=generator)
        smaller = 1.0 + 0.25 * drawn[:, 0]
        moved = (drawn[:, 1:3] - 0.5) * 0.2 * smaller[:, None]
        maps = torch.zeros(len(chosen), 2, 3)
        maps[:, 0, 0] = maps[:, 1, 1] = smaller
        maps[:, :, 2] = moved
        pixels = self.pixels[chosen].float() / 255
        grid = functional.affine_grid(maps, list(pixels.shape), align_corners=False)
        colours, alpha = functional.grid_sample(pixels, grid, align_corners=False).split((3, 1), dim=1)
        background = torch.where(drawn[:, 7:] < 0.4, 1.0, drawn[:, 3:6])
        pictures = colours + (1 - alpha) * background[:, :, None, None]
        parts = pictures.split(max(1, len(pictures) // 8))
        soft = [_blurred(part, 1.2 * float(amount)) for part, amount in zip(parts, drawn[:, 6], strict=False)]
        return torch.cat(soft) * 2 - 1


def _blurred(pictures: Tensor, deviation: float) -> Tensor:
    line = torch.exp(-torch.arange(-4, 5).square() / (2 * max(deviation, 0.05) ** 2))
    window = (torch.outer(line, line) / line.sum() ** 2).expand(3, 1, 9, 9)
    return functional.conv2d(functional.pad(pictures, (4,) * 4, mode="replicate"), window, groups=3)


def cutouts(sprites: Sequence[Sprite], classes: Sequence[str]) -> Cutouts:
    """Sprites and the name of the class of each."""
    labels = tuple(dict.fromkeys(classes))
    squares = torch.stack([_square(sprite) for sprite in sprites])
    return Cutouts(squares, torch.tensor([labels.index(name) for name in classes]), labels)


def _square(sprite: Sprite) -> Tensor:
    image = sprite.scaled(_LONGER_SIDE)
    canvas = Image.new("RGBa", (SIZE, SIZE))
    canvas.paste(image.convert("RGBa"), ((SIZE - image.width) // 2, (SIZE - image.height) // 2))
    return torch.from_numpy(np.asarray(canvas).copy()).permute(2, 0, 1)


@dataclass(frozen=True)
class Classifier:
    """A trained judge; `labels` names its classes."""

    network: nn.Sequential
    labels: tuple[str, ...]

    @torch.no_grad()
    def scores(self, images: Sequence[Image.Image]) -> Tensor:
        """Logarithms of probabilities, (B, classes)."""
        return functional.log_softmax(self.network[-1](self.features(images)), dim=1)

    @torch.no_grad()
    def features(self, images: Sequence[Image.Image]) -> Tensor:
        """What the last layer tells classes by, (B, channels)."""
        resized = [image.resize((SIZE, SIZE), Image.Resampling.BOX) for image in images]
        found: Tensor = self.network[:-1](to_tensor(resized))
        return found

    def row(self, label: str) -> int:
        """The class of a label."""
        return self.labels.index(label)


def at_spot(image: Image.Image, spot: str) -> Image.Image:
    """The square around one spot of a scene with several things, at the size that the judge learnt."""
    x, y = SPOTS[spot]
    return image.crop((x - SIZE // 2, y - SIZE // 2, x + SIZE // 2, y + SIZE // 2))


def train_classifier(
    known: Cutouts, budget: Budget, seed: int, channels: Sequence[int], batch_size: int = 128
) -> Classifier:
    """Learn until the budget is spent; the learning rate falls to zero in a straight line."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = build_classifier(len(known.labels), channels).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=1e-2)
    while (progress := budget.progress()) < 1.0:
        optimizer.param_groups[0]["lr"] = 3e-3 * (1 - progress)
        chosen = torch.randint(0, len(known.pixels), (batch_size,), generator=generator)
        pixels = known.augmented(chosen, generator).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bf16()):
            logits = network(pixels)
        loss = functional.cross_entropy(logits.float(), known.rows[chosen], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return Classifier(network.eval(), known.labels)


@torch.no_grad()
def fresh_answers(classifier: Classifier, known: Cutouts, seed: int) -> list[bool]:
    """Whether it is right, twice for each sprite, on augmentations of a seed that must not be the training's."""
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.arange(len(known.pixels)).repeat(2)
    found = torch.cat([classifier.network(known.augmented(part, generator)).argmax(1) for part in chosen.split(128)])
    right: list[bool] = (found == known.rows[chosen]).tolist()
    return right


def kept_classifier(path: Path, known: Cutouts, seconds: float, seed: int, channels: Sequence[int]) -> Classifier:
    """The judge of an earlier evaluation, if it knew the same classes; else a new one, kept for the next."""
    if path.exists() and (kept := torch.load(path, weights_only=True))["labels"] == list(known.labels):
        network = build_classifier(len(known.labels), channels)
        network.load_state_dict(kept["network"])
        return Classifier(network.eval(), known.labels)
    judge = train_classifier(known, Budget(seconds), seed, channels)
    torch.save({"labels": list(known.labels), "network": judge.network.state_dict()}, path)
    return judge
