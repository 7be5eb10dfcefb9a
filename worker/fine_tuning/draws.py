"""Where everything random in a fine-tune comes from: the seed, the step, and what the numbers are for."""

import hashlib

import torch
from torch import Tensor


def draws(seed: int, step: int, purpose: str) -> torch.Generator:
    """Numbers that depend on these three alone, so that a run may begin at any step."""
    digest = hashlib.sha256(f"{purpose}:{seed}:{step}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def stratified_timesteps(batch_size: int, num_train_timesteps: int, generator: torch.Generator) -> Tensor:
    """One timestep from each of `batch_size` equal parts, in random order: (B,)."""
    parts = torch.randperm(batch_size, generator=generator) + torch.rand(batch_size, generator=generator)
    return (parts * num_train_timesteps / batch_size).long().clamp_max(num_train_timesteps - 1)


def chosen(number: int, batch_size: int, seed: int, step: int) -> list[int]:
    """Which of so many lessons a step takes: all of them once, in an order of its own, before any comes again."""
    places = range(step * batch_size, (step + 1) * batch_size)
    rounds = {place // number for place in places}
    orders = {turn: torch.randperm(number, generator=draws(seed, turn, "order")).tolist() for turn in rounds}
    return [orders[place // number][place % number] for place in places]


def dropped(batch_size: int, share: float, seed: int, step: int) -> list[bool]:
    """For which lessons of a step the caption is left out."""
    drawn: list[bool] = (torch.rand(batch_size, generator=draws(seed, step, "dropout")) < share).tolist()
    return drawn
