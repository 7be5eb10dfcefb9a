"""This file knows what must be kept so that interrupted training goes on as if nothing had happened."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a network's weights, warmed up so that early weights fade fast."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the network's present weights."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value, 1 - decay)
            else:
                self.weights[name].copy_(value)


@dataclass
class Budget:
    """How much of the wall-clock training time is spent; survives interruptions through `spent_seconds`."""

    total_seconds: float
    spent_seconds: float = 0.0
    clock: Callable[[], float] = time.monotonic
    _last: float = field(default=-1.0, init=False)

    def progress(self) -> float:
        """Spent share of the budget, 0 … 1; counts the time since the previous call."""
        now = self.clock()
        self.spent_seconds += now - self._last if self._last >= 0 else 0.0
        self._last = now
        return min(1.0, self.spent_seconds / self.total_seconds)


@dataclass
class Training:
    """Everything that changes while a network trains."""

    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: Average
    budget: Budget
    rng: random.Random
    noise: torch.Generator
    step: int = 0
    curve: list[tuple[int, float, float]] = field(default_factory=list)

    def state(self) -> dict[str, Any]:
        """What `restore` needs."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.weights,
            "spent_seconds": self.budget.spent_seconds,
            "rng": list(self.rng.getstate()[1]),
            "noise": self.noise.get_state(),
            "step": self.step,
            "curve": self.curve,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from `state`."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.weights = state["average"]
        self.budget.spent_seconds = state["spent_seconds"]
        self.rng.setstate((3, tuple(state["rng"]), None))
        self.noise.set_state(state["noise"])
        self.step = state["step"]
        self.curve = [tuple(point) for point in state["curve"]]


def save(training: Training, path: Path) -> None:
    """Write a checkpoint; a crash while writing leaves the previous one whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(training.state(), partial)
    os.replace(partial, path)


def resume(training: Training, path: Path) -> bool:
    """Restore from `path` if it exists; tells whether it did."""
    if not path.exists():
        return False
    training.restore(torch.load(path, weights_only=True))
    return True


def averaged_weights(path: Path) -> dict[str, Tensor]:
    """The moving average out of a checkpoint."""
    weights: dict[str, Tensor] = torch.load(path, weights_only=True)["average"]
    return weights
