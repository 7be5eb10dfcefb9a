"""Training that was interrupted takes the same next step as training that was not."""

from dataclasses import replace
from pathlib import Path

import torch

from training import checkpoints
from training.checkpoints import Budget, Training
from training.configuration import DenoiserConfig, read_configuration
from training.denoiser import Batch, build_unet, new_training, train_step
from training.schedule import build_scheduler

CONFIG: DenoiserConfig = replace(
    read_configuration(Path("training/safelight-emoji.toml")).denoiser,
    channels=[32, 64],
    cross_attention=[False, True],
    num_heads=[1, 2],
    batch_size=2,
)


def tiny_training(seed: int) -> Training:
    torch.manual_seed(seed)
    return new_training(build_unet(CONFIG, 2, 8, 16), CONFIG, 1.0, seed)


def a_batch() -> Batch:
    generator = torch.Generator().manual_seed(5)
    return Batch(torch.randn(2, 2, 8, 8, generator=generator), torch.randn(2, 4, 16, generator=generator))


def test_resumed_training_takes_the_same_step(tmp_path: Path) -> None:
    scheduler, batch = build_scheduler(), a_batch()
    whole = tiny_training(0)
    train_step(whole, scheduler, batch, CONFIG, 0.1)
    checkpoints.save(whole, tmp_path / "checkpoint.pt")
    expected = train_step(whole, scheduler, batch, CONFIG, 0.2)

    resumed = tiny_training(1)
    assert checkpoints.resume(resumed, tmp_path / "checkpoint.pt")
    assert train_step(resumed, scheduler, batch, CONFIG, 0.2) == expected
    for name, value in whole.average.weights.items():
        assert torch.equal(resumed.average.weights[name], value), name
    assert resumed.rng.random() == whole.rng.random()


def test_without_a_checkpoint_training_is_fresh(tmp_path: Path) -> None:
    assert not checkpoints.resume(tiny_training(0), tmp_path / "absent.pt")


def test_a_budget_goes_on_where_it_stopped() -> None:
    times = iter([100.0, 130.0])
    budget = Budget(total_seconds=120.0, spent_seconds=30.0, clock=lambda: next(times))
    assert [budget.progress(), budget.progress()] == [0.25, 0.5]
