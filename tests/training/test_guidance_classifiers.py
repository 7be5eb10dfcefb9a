"""Classifiers that training exports are those that the worker loads, and the shipped ones are what their cards say."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from contract.catalogue import read_catalogue
from contract.classifier_specs import ClassifierSpec
from contract.rows import LocalSource
from tests.worker.engines import CPU
from training import checkpoints, picture_classifier
from training.configuration import Configuration, read_configuration
from training.groups import GROUPS
from training.guidance_classifiers import autoencoder_digest, export_latents, export_pixels, write_card
from training.noise_aware import NOTHING
from training.picture_classifier import blurred, roughened
from worker.classifiers import Classifier, LatentsClassifier, PixelsClassifier, load_classifier
from worker.latent_classifier import LatentClassifier, Shape
from worker.sigmas import Level

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))
SHIPPED = read_catalogue(Path("models.toml")).classifiers


@pytest.fixture
def small(tmp_path: Path) -> Configuration:
    """The configuration of classifiers that are built in no time, in a folder of the test's own."""
    return replace(
        CONFIGURATION,
        work_folder=tmp_path,
        pixels_classifier=replace(CONFIGURATION.pixels_classifier, channels=[8, 8, 8, 8], size=32),
    )


def loaded(folder: Path, kind: str, labels: tuple[str, ...] = GROUPS) -> Classifier:
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    row = {"id": "made", "kind": kind, "models": ("safelight-emoji",) if kind == "latents" else (), "labels": labels}
    row |= {"source": LocalSource(path=folder), "sha256": digest, "owned_by": "tests", "licence": "none", "created": 0}
    return load_classifier(ClassifierSpec.model_validate(row), CPU)


def test_a_classifier_of_latents_is_read_back(small: Configuration, tmp_path: Path) -> None:
    labels, groups = ["fox", "cat", "bread", NOTHING], dict.fromkeys(("fox", "cat"), GROUPS[0])
    groups |= {"bread": GROUPS[3]}
    torch.manual_seed(0)
    network = LatentClassifier(Shape(8, 16, 4, len(labels) - 1, 2)).requires_grad_(False)
    for name, weights in network.named_parameters():
        weights.copy_(torch.rand(weights.shape) + 0.1 if "spread" in name else torch.randn(weights.shape) / 10)
    written = export_latents(small, tmp_path / "made", network, labels, groups)
    latents, log_snr = torch.randn(2, 8, 16, 16), torch.tensor([0.0, 1.0])
    read = loaded(tmp_path / "made", "latents", (*GROUPS, "bread"))
    assert isinstance(read, LatentsClassifier)
    level = Level(
        torch.sigmoid(log_snr).sqrt().view(-1, 1, 1, 1), torch.sigmoid(-log_snr).sqrt().view(-1, 1, 1, 1), None
    )
    expected = written(latents, log_snr).softmax(1)
    for name, likely in {"bread": expected[:, 2], GROUPS[0]: expected[:, :2].sum(1), GROUPS[3]: expected[:, 2]}.items():
        assert torch.allclose(read.log_probability(latents, level, name).exp(), likely, atol=1e-5)


def test_a_classifier_of_pictures_is_read_back(small: Configuration, tmp_path: Path) -> None:
    training = picture_classifier.new_training(small.pixels_classifier, 1.0, seed=0)
    checkpoints.save(training, tmp_path / picture_classifier.CHECKPOINT)
    written = export_pixels(small, tmp_path / "made")
    read = loaded(tmp_path / "made", "pixels")
    assert isinstance(read, PixelsClassifier)
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    expected = written(pixels).logits.log_softmax(1)
    for row, name in enumerate(GROUPS):
        assert torch.allclose(read.log_probability(pixels, name), expected[:, row], atol=1e-5)


def test_a_card_says_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    write_card(tmp_path, "latents", {"timestep 50": 0.25})
    card = (tmp_path / "README.md").read_text()
    assert "| timestep 50 | 0.250 |" in card
    assert hashlib.sha256(b"weights").hexdigest() in card


@pytest.mark.parametrize("spec", SHIPPED, ids=lambda spec: spec.id)
def test_shipped_weights_match_the_card_and_the_catalogue(spec: ClassifierSpec) -> None:
    assert isinstance(spec.source, LocalSource)
    content = (spec.source.path / "model.safetensors").read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    assert spec.sha256 == digest
    assert digest in (spec.source.path / "README.md").read_text(encoding="utf-8")
    assert len(content) <= 1_400_000
    config = json.loads((spec.source.path / "config.json").read_text())
    known = config["id2label"].values() if spec.kind == "pixels" else config["groups"]
    assert sorted(known) == sorted(spec.labels) == sorted(GROUPS)
    assert spec.kind == "pixels" or config["autoencoder_sha256"] == autoencoder_digest(CONFIGURATION)


def test_roughening_is_decided_by_its_seed_and_keeps_what_is_plain() -> None:
    pixels = torch.full((8, 3, 64, 64), 0.25)
    first, second = (roughened(pixels, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == pixels.shape
    assert torch.allclose(first.mean((2, 3)), pixels.mean((2, 3)), atol=0.02)


def test_a_blur_keeps_the_sum_and_spreads_a_point() -> None:
    point = torch.zeros(1, 3, 33, 33)
    point[:, :, 16, 16] = 1
    soft = blurred(point, 2.0)
    assert torch.allclose(soft.sum((2, 3)), torch.ones(1, 3), atol=1e-5)
    offsets = (torch.arange(33) - 16.0).square()
    assert torch.allclose((soft[0, 0].sum(0) * offsets).sum(), torch.tensor(4.0), rtol=0.02)
