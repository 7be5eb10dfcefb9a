"""Classifiers of both kinds: loaded from what the catalogue means and nothing else, and differentiable as they say."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import ConvNextImageProcessorPil, ResNetConfig, ResNetForImageClassification, ViTImageProcessorPil

from contract.catalogue import Catalogue
from contract.classifier_specs import ClassifierSpec
from contract.errors import ModelUnavailable, UnknownClassifier
from contract.rows import LocalSource
from tests.tiny_models import build_stable_diffusion
from tests.worker.engines import CPU, spec_of
from worker.classifiers import Classifiers, LatentsClassifier, PixelsClassifier, load_classifier
from worker.latent_classifier import LatentClassifier, Shape
from worker.preprocessing import Preprocessing
from worker.sigmas import Level

LABELS = ("cat", "dog", "bird")
NAMES = {str(row): name for row, name in enumerate(LABELS)}


def build_latents(folder: Path, autoencoder_sha256: str = "") -> None:
    """Saves a classifier of latents with 4 channels."""
    torch.manual_seed(0)
    network = LatentClassifier(Shape(4, 8, 6, len(LABELS) - 1, 2))
    for name, weights in network.named_parameters():
        torch.nn.init.uniform_(weights, 0.1 if "spread" in name else -0.5, 0.5)
    config = {"in_channels": 4, "side": 8, "rank": 6, "num_colours": 2, "id2label": NAMES}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config | {"autoencoder_sha256": autoencoder_sha256}))
    save_file(network.state_dict(), folder / "model.safetensors")


def build_pixels(folder: Path) -> None:
    """Saves an image classifier as transformers does."""
    torch.manual_seed(0)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", id2label=NAMES)
    ResNetForImageClassification(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)


def row(folder: Path, kind: str, **changes: object) -> ClassifierSpec:
    sha256 = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    usual = {"id": kind, "kind": kind, "models": ["tiny"] if kind == "latents" else [], "labels": ["dog", "cat"]}
    usual |= {
        "source": LocalSource(path=folder),
        "sha256": sha256,
        "owned_by": "tests",
        "licence": "none",
        "created": 0,
    }
    return ClassifierSpec.model_validate(usual | changes)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model with a classifier of its latents, and one of pictures."""
    home = tmp_path_factory.mktemp("classifiers")
    build_stable_diffusion(home / "model")
    digest = hashlib.sha256((home / "model/vae/diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    build_latents(home / "latents", digest)
    build_pixels(home / "pixels")
    return home


@pytest.fixture
def home(built: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(built, tmp_path / "home"))


def catalogue(home: Path, **changes: object) -> Catalogue:
    specs = (row(home / "latents", "latents", **changes), row(home / "pixels", "pixels", **changes))
    return Catalogue(default_model="tiny", models=(spec_of(home / "model"),), classifiers=specs)


def level(*alphas: float) -> Level:
    alpha = torch.tensor(alphas).view(-1, 1, 1, 1)
    return Level(alpha, (1 - alpha**2) ** 0.5, torch.ones_like(alpha))


def noisy(built: Path) -> LatentsClassifier:
    loaded = load_classifier(row(built / "latents", "latents"), CPU)
    assert isinstance(loaded, LatentsClassifier)
    return loaded


def clear(built: Path) -> PixelsClassifier:
    loaded = load_classifier(row(built / "pixels", "pixels"), CPU)
    assert isinstance(loaded, PixelsClassifier)
    return loaded


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


# ---- of latents


def test_probabilities_of_all_labels_are_one(built: Path) -> None:
    loaded = load_classifier(row(built / "latents", "latents", labels=LABELS), CPU)
    assert isinstance(loaded, LatentsClassifier)
    total = sum(loaded.log_probability(random(2, 4, 8, 12), level(0.3, 0.9), label).exp() for label in LABELS)
    assert torch.allclose(total, torch.ones(2), atol=1e-6)


def test_the_level_counts_as_a_ratio_only(built: Path) -> None:
    """The same latents of variance one under the names that different schedulers give to their level."""
    here, latents = noisy(built), random(1, 4, 8, 8)
    preserving, exploding = level(0.6), Level(torch.tensor(1.0), torch.tensor(0.8 / 0.6), torch.tensor(1.0))
    first, second = (here.log_probability(latents, named, "cat") for named in (preserving, exploding))
    assert torch.allclose(first, second, atol=1e-6)
    assert not torch.allclose(first, here.log_probability(latents, level(0.9), "cat"))


@pytest.mark.parametrize("label", ["cat", "dog"])
def test_the_gradient_is_that_of_finite_differences(built: Path, label: str) -> None:
    here, latents, at = noisy(built), random(1, 4, 8, 8), level(0.7)
    here.network.double()
    wide = LatentsClassifier(Double(here.network), here.rows)
    along = random(1, 4, 8, 8).double().roll(1)
    point = latents.double().requires_grad_()
    (gradient,) = torch.autograd.grad(wide.log_probability(point, at, label).sum(), point)
    ahead, behind = (wide.log_probability(latents + step * along, at, label) for step in (1e-3, -1e-3))
    assert torch.allclose((gradient * along).sum(), (ahead - behind) / 2e-3, rtol=1e-2, atol=1e-5)
    assert gradient.abs().sum() > 0


class Double(torch.nn.Module):
    """A network in double precision, called in single."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor, log_snr: Tensor) -> Tensor:
        return self.network(latents.double(), log_snr.double())


def test_pure_noise_says_nothing_and_pulls_nowhere(built: Path) -> None:
    here = noisy(built)
    latents = random(2, 4, 8, 8).requires_grad_()
    found = here.log_probability(latents, level(0.0), "cat")
    (gradient,) = torch.autograd.grad(found.sum(), latents)
    assert found[0] == found[1]
    assert gradient.eq(0).all()


def test_rows_do_not_depend_on_each_other(built: Path) -> None:
    here, latents, at = noisy(built), random(3, 4, 8, 8), level(0.2, 0.5, 0.9)
    together = here.log_probability(latents, at, "dog")
    alone = [here.log_probability(latents[i : i + 1], level([0.2, 0.5, 0.9][i]), "dog") for i in range(3)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)


def test_clean_latents_are_a_level_too(built: Path) -> None:
    assert torch.isfinite(noisy(built).log_probability(random(1, 4, 8, 8), level(1.0), "cat")).all()


# ---- of pictures


def test_a_picture_is_judged_as_transformers_does(built: Path) -> None:
    here = clear(built)
    array = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    network = ResNetForImageClassification.from_pretrained(built / "pixels").eval()
    processor = ViTImageProcessorPil.from_pretrained(built / "pixels")
    with torch.no_grad():
        expected = network(**processor(Image.fromarray(array), return_tensors="pt")).logits.log_softmax(1)
    pixels = torch.from_numpy(array).permute(2, 0, 1)[None] / 127.5 - 1
    for label in ("cat", "dog"):
        assert torch.allclose(here.log_probability(pixels, label), expected[:, LABELS.index(label)], atol=1e-5)


def test_a_gradient_reaches_the_pixels_through_the_resizing(built: Path) -> None:
    here = clear(built)
    pixels = random(1, 3, 48, 64).clamp(-1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(here.log_probability(pixels, "dog").sum(), pixels)
    with torch.no_grad():
        uphill = here.log_probability(pixels + 1e-2 * gradient / gradient.norm(), "dog")
    assert uphill > here.log_probability(pixels, "dog")
    assert all(not weight.requires_grad for weight in here.network.parameters())


PROCESSORS: dict[str, Any] = {
    "to fixed sides": ViTImageProcessorPil(size={"height": 40, "width": 24}),
    "with another mean": ViTImageProcessorPil(size={"height": 32, "width": 32}, image_mean=[0.1, 0.2, 0.3]),
    "cubic": ViTImageProcessorPil(size={"height": 32, "width": 32}, resample=3),
    "not normalised": ViTImageProcessorPil(size={"height": 32, "width": 32}, do_normalize=False),
    "cut out of the middle": ConvNextImageProcessorPil(size={"shortest_edge": 40}, crop_pct=0.875),
}


@pytest.mark.parametrize("name", PROCESSORS)
@pytest.mark.parametrize("sides", [(64, 64), (80, 64), (64, 96)])
def test_preprocessing_equals_transformers(name: str, sides: tuple[int, int], tmp_path: Path) -> None:
    processor = PROCESSORS[name]
    processor.save_pretrained(tmp_path)
    smooth = np.random.default_rng(1).random((8, 8, 3))
    picture = Image.fromarray((smooth * 255).astype(np.uint8)).resize((sides[1], sides[0]), Image.Resampling.BICUBIC)
    expected = processor(picture, return_tensors="pt")["pixel_values"]
    found = Preprocessing.of(json.loads((tmp_path / "preprocessor_config.json").read_text()))
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 127.5 - 1
    assert found(pixels).shape == expected.shape
    rounding = 1 / 255 / min(found.deviation)  # Pillow rounds after each of two passes
    assert (found(pixels) - expected).abs().max() < 2.5 * rounding


@pytest.mark.parametrize("entry", [{"do_rescale": False}, {"rescale_factor": 0.5}, {"resample": 1}, {"size": {"a": 1}}])
def test_preprocessing_that_is_not_followed_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ModelUnavailable, match=next(iter(entry))):
        Preprocessing.of({"size": 32} | entry)


# ---- loading


def test_classifiers_are_kept_and_their_bytes_counted(built: Path) -> None:
    classifiers = Classifiers(catalogue(built), CPU)
    first = classifiers.load("latents", "tiny")
    alone = classifiers.num_bytes
    assert alone == 4 * sum(weight.numel() for weight in first.network.parameters())
    assert classifiers.load("latents", "tiny") is first
    classifiers.load("pixels", "tiny")
    assert classifiers.num_bytes > alone
    with pytest.raises(UnknownClassifier):
        classifiers.load("absent", "tiny")


def test_the_least_recently_used_goes_when_bytes_run_out(built: Path) -> None:
    classifiers = Classifiers(catalogue(built), CPU, budget_bytes=1)
    first = classifiers.load("latents", "tiny")
    classifiers.load("pixels", "tiny")
    assert classifiers.load("latents", "tiny") is not first


def refusal(found: Catalogue, classifier_id: str) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        Classifiers(found, CPU).load(classifier_id, "tiny")
    return caught.value.message


@pytest.mark.parametrize("kind", ["latents", "pixels"])
def test_what_is_wrong_with_a_folder_is_said(home: Path, kind: str) -> None:
    assert "SHA-256" in refusal(catalogue(home, sha256="0" * 64), kind)
    assert "labels" in refusal(catalogue(home, labels=["cat", "horse"]), kind)
    tensors = load_file(home / kind / "model.safetensors")
    tensors.pop(next(name for name in tensors if name.endswith(("weight", "basis"))))
    save_file(tensors, home / kind / "model.safetensors", {"format": "pt"})
    assert str(home / kind) in refusal(catalogue(home), kind)
    whole = catalogue(home)
    (home / kind / "config.json").write_text("[]")
    assert "config.json" in refusal(whole, kind)


@pytest.mark.parametrize("kind", ["latents", "pixels"])
def test_missing_weights_are_named(home: Path, kind: str) -> None:
    whole = catalogue(home)
    (home / kind / "model.safetensors").unlink()
    assert "model.safetensors" in refusal(whole, kind)


def test_latents_of_another_autoencoder_are_refused(home: Path) -> None:
    weights = home / "model/vae/diffusion_pytorch_model.safetensors"
    save_file({name: value + 1 for name, value in load_file(weights).items()}, weights)
    assert "another autoencoder" in refusal(catalogue(home), "latents")
    assert Classifiers(catalogue(home), CPU).load("pixels", "tiny")
