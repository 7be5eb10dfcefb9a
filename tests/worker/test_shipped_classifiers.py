"""The shipped classifiers, loaded as a worker loads them, know the groups of renders that they were not shown."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderDC
from PIL import Image
from torch import Tensor

from contract.catalogue import LocalSource, read_catalogue
from tests.worker.engines import CPU
from worker.classifiers import Classifiers, LatentsClassifier, PixelsClassifier
from worker.sigmas import level_at
from worker.trained_noise import DiffusionNoise, read_trained_noise

CATALOGUE = read_catalogue(Path(__file__).parents[2] / "models.toml")
MODEL = "safelight-emoji"
SIDE = 128


def folder_of(source: object) -> Path:
    assert isinstance(source, LocalSource)
    return source.path


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    """A column a group of the samples that come with the classifier: (B, 3, 128, 128), group by group."""
    with Image.open(folder_of(CATALOGUE.classifier("emoji-groups").source) / "samples.webp") as sheet:
        array = np.array(sheet.convert("RGB"))
    columns = torch.from_numpy(array).permute(2, 1, 0).float() / 127.5 - 1
    cells = columns.unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)
    return cells.permute(1, 2, 0, 4, 3).flatten(0, 1).contiguous()


Encode = Callable[[Tensor], Tensor]


@pytest.fixture(scope="module")
def encode() -> Encode:
    """From pixels to latents as the embedded model was trained on them."""
    vae = AutoencoderDC.from_pretrained(
        folder_of(CATALOGUE.find(MODEL).source) / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False
    ).eval()

    def encode(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            return vae.encode(pixels).latent * vae.config.scaling_factor

    return encode


@pytest.fixture(scope="module")
def latents(encode: Encode, pixels: Tensor) -> Tensor:
    return encode(pixels)


@pytest.fixture(scope="module")
def noise() -> DiffusionNoise:
    """What the embedded model was trained on."""
    scheduler = folder_of(CATALOGUE.find(MODEL).source) / "scheduler/scheduler_config.json"
    found = read_trained_noise(json.loads(scheduler.read_text()))
    assert isinstance(found, DiffusionNoise)
    return found


def right(labels: tuple[str, ...], log_probability: Callable[[str], Tensor]) -> float:
    """The share of rows, group by group, whose own label is the most probable."""
    found = torch.stack([log_probability(label) for label in labels], dim=1).argmax(1)
    return float((found == torch.arange(len(labels)).repeat_interleave(len(found) // len(labels))).float().mean())


def of_latents(latents: Tensor, noise: DiffusionNoise, timestep: int) -> float:
    """Accuracy at a noise level, over four draws of noise for each picture."""
    spec = CATALOGUE.classifier("emoji-groups")
    classifier = Classifiers(CATALOGUE, CPU).load(spec.id, MODEL)
    assert isinstance(classifier, LatentsClassifier)
    level, many = level_at(noise, timestep), latents.repeat_interleave(4, dim=0)
    drawn = torch.randn(many.shape, generator=torch.Generator().manual_seed(timestep))
    noisy = level.alpha * many + level.sigma * drawn
    with torch.no_grad():
        return right(spec.labels, lambda label: classifier.log_probability(noisy, level, label))


def test_noisy_latents_are_told_apart_the_worse_the_more_noise(latents: Tensor, noise: DiffusionNoise) -> None:
    found = [of_latents(latents, noise, timestep) for timestep in (50, 400, 700, 999)]
    assert found[0] >= 0.9
    assert found[1] >= 0.75
    assert found[2] >= 0.3
    assert found[-1] == 1 / 8
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("side", [64, 192])
def test_pictures_of_other_sizes_are_told_apart_less_surely(
    encode: Encode, pixels: Tensor, latents: Tensor, noise: DiffusionNoise, side: int
) -> None:
    scaled = encode(torch.nn.functional.interpolate(pixels, size=(side, side), mode="bilinear", antialias=True))
    assert scaled.shape[2:] == (side // 8, side // 8)
    assert 0.8 <= of_latents(scaled, noise, 400) < of_latents(latents, noise, 400)


def test_pictures_are_told_apart(pixels: Tensor) -> None:
    spec = CATALOGUE.classifier("emoji-groups-pixels")
    classifier = Classifiers(CATALOGUE, CPU).load(spec.id, MODEL)
    assert isinstance(classifier, PixelsClassifier)
    with torch.no_grad():
        assert right(spec.labels, lambda label: classifier.log_probability(pixels, label)) >= 0.9


def test_a_step_uphill_makes_the_label_likelier(latents: Tensor, noise: DiffusionNoise) -> None:
    spec, level = CATALOGUE.classifier("emoji-groups"), level_at(noise, 850)
    classifier = Classifiers(CATALOGUE, CPU).load(spec.id, MODEL)
    assert isinstance(classifier, LatentsClassifier)
    for label in spec.labels:
        drawn = torch.randn(latents[:1].shape, generator=torch.Generator().manual_seed(1))
        point = (level.alpha * latents[:1] + level.sigma * drawn).requires_grad_()
        before = classifier.log_probability(point, level, label)
        (gradient,) = torch.autograd.grad(before.sum(), point)
        with torch.no_grad():
            after = classifier.log_probability(point + 0.05 * gradient / gradient.norm(), level, label)
        assert after > before
        assert all(weight.grad is None for weight in classifier.network.parameters())
