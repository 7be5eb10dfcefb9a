"""What guidance asks of a picture on its way: classifiers of noisy latents and of pictures, and their loading."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForImageClassification

from contract.catalogue import Catalogue
from contract.classifier_specs import ClassifierSpec
from contract.errors import ModelUnavailable
from worker.devices import Placement
from worker.digests import file_digests
from worker.latent_classifier import LatentClassifier, Shape
from worker.loading import model_path
from worker.preprocessing import Preprocessing
from worker.sigmas import Level
from worker.weights import weight_bytes

WEIGHTS = "model.safetensors"
HUB_FILES = ("config.json", "preprocessor_config.json", WEIGHTS)
AUTOENCODER = "vae/diffusion_pytorch_model.safetensors"

DEFAULT_BUDGET_BYTES = 1 << 30


@dataclass(frozen=True)
class LatentsClassifier:
    """A noise-aware classifier; `rows` are those of each label in its logits, several where a label is a group."""

    network: nn.Module
    rows: Mapping[str, list[int]]

    def log_probability(self, latents: Tensor, level: Level, label: str) -> Tensor:
        """The logarithm of p(label | x_t), differentiable by the latents.

        Shapes: latents (B, C, H, W) of variance one, x_t / √(α² + σ²); the level () or (B, 1, 1, 1); result (B,).
        Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 4.
        """
        log_snr = 2 * (level.alpha.float().log() - level.sigma.float().log())
        logits = self.network(latents.float(), log_snr.reshape(-1).expand(len(latents)).to(latents.device))
        return functional.log_softmax(logits, dim=1)[:, self.rows[label]].logsumexp(1)


@dataclass(frozen=True)
class PixelsClassifier:
    """A classifier of pictures from transformers, and what its preprocessor does to them."""

    network: nn.Module
    rows: Mapping[str, list[int]]
    preprocessing: Preprocessing

    def log_probability(self, pixels: Tensor, label: str) -> Tensor:
        """The logarithm of p(label | picture), differentiable by the pixels.

        Shapes: pixels (B, 3, height, width) from -1 to 1, result (B,).
        Source: Bansal et al. 2023, arXiv:2302.07121, section 3.1, with the cross-entropy of a classifier as loss.
        """
        logits = self.network(pixel_values=self.preprocessing(pixels.float())).logits
        return functional.log_softmax(logits, dim=1)[:, self.rows[label]].logsumexp(1)


Classifier = LatentsClassifier | PixelsClassifier


class Classifiers:
    """The catalogue's classifiers on one device. For the thread that prepares images.

    Promise: what is kept has no more bytes than the budget, except that the last one loaded is kept whatever it takes.
    """

    def __init__(self, catalogue: Catalogue, placement: Placement, budget_bytes: int = DEFAULT_BUDGET_BYTES) -> None:
        self._catalogue = catalogue
        self._placement = placement
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[str, Classifier] = OrderedDict()  # the least recently used first
        self._fitting: set[tuple[str, str]] = set()

    @property
    def num_bytes(self) -> int:
        """What the weights of those that are kept take."""
        return sum(weight_bytes(classifier.network) for classifier in self._kept.values())

    def load(self, classifier_id: str, model_id: str) -> Classifier:
        """The classifier, for pictures of this model. Raises: UnknownClassifier, UnknownModel, ModelUnavailable."""
        spec = self._catalogue.classifier(classifier_id)
        if spec.kind == "latents" and (classifier_id, model_id) not in self._fitting:
            require_autoencoder(spec, model_path(self._catalogue.find(model_id).source))
            self._fitting.add((classifier_id, model_id))
        if classifier_id not in self._kept:
            self._kept[classifier_id] = load_classifier(spec, self._placement)
        self._kept.move_to_end(classifier_id)
        while self.num_bytes > self._budget_bytes and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return self._kept[classifier_id]


def load_classifier(spec: ClassifierSpec, placement: Placement) -> Classifier:
    """A classifier of either kind in float32, its weights beyond the reach of gradients. Raises: ModelUnavailable."""
    folder = classifier_path(spec)
    rows = _rows(spec, read_json(folder, "config.json"))
    if spec.kind == "latents":
        return LatentsClassifier(placed(_latents_network(folder), placement), rows)
    network = pretrained(AutoModelForImageClassification, folder, "image classifier of transformers")
    preprocessing = Preprocessing.of(read_json(folder, "preprocessor_config.json"))
    return PixelsClassifier(placed(network, placement), rows, preprocessing)


def classifier_path(spec: ClassifierSpec) -> Path:
    """The classifier's folder, its weights being those that the catalogue means. Raises: ModelUnavailable."""
    folder = model_path(spec.source, HUB_FILES)
    require_digest(folder, spec.sha256)
    return folder


def require_digest(folder: Path, sha256: str) -> None:
    """Refuses weights that are not those of the catalogue. Raises: ModelUnavailable."""
    found = _digest(folder, WEIGHTS)
    if found != sha256:
        raise ModelUnavailable(f"{folder / WEIGHTS} has the SHA-256 {found}, and the catalogue says {sha256}.")


def require_autoencoder(spec: ClassifierSpec, model_folder: Path) -> None:
    """Refuses latents of another autoencoder than the classifier's. Raises: ModelUnavailable."""
    expected = read_json(model_path(spec.source, HUB_FILES), "config.json").get("autoencoder_sha256")
    if _digest(model_folder, AUTOENCODER) != expected:
        raise ModelUnavailable(f"{spec.id} was trained on latents of another autoencoder than that of {model_folder}.")


def read_json(folder: Path, name: str) -> dict[str, Any]:
    """An object in a JSON file of a classifier's folder. Raises: ModelUnavailable."""
    try:
        content = json.loads((folder / name).read_text())
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"{folder / name} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelUnavailable(f"{folder / name} is not a JSON object.")
    return content


def _digest(folder: Path, name: str) -> str:
    try:
        return file_digests(folder, [folder / name])[name]
    except OSError as error:
        raise ModelUnavailable(f"{folder / name} cannot be read: {error}") from error


def _rows(spec: ClassifierSpec, config: Mapping[str, Any]) -> dict[str, list[int]]:
    """The rows of each label on offer: what `id2label` names, or a list of rows under its name in `groups`."""
    try:
        known = {str(name): [int(row)] for row, name in config["id2label"].items()} | config.get("groups", {})
        return {label: known[label] for label in spec.labels}
    except (KeyError, AttributeError, ValueError) as error:
        raise ModelUnavailable(
            f"{spec.id}: the labels of config.json are not those of the catalogue: {error}"
        ) from error


def _latents_network(folder: Path) -> nn.Module:
    config = read_json(folder, "config.json")
    try:
        shape = Shape(
            in_channels=config["in_channels"],
            side=config["side"],
            rank=config["rank"],
            num_things=len(config["id2label"]) - 1,
            num_colours=config["num_colours"],
        )
        network = LatentClassifier(shape)
        network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except Exception as error:
        raise ModelUnavailable(f"{folder} holds no classifier of latents: {error}") from error
    return network


def pretrained(kind: Any, folder: Path, what: str) -> nn.Module:
    """A network as transformers saves them, from safetensors alone. Raises: ModelUnavailable."""
    try:
        network, report = kind.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except Exception as error:
        raise ModelUnavailable(f"{folder} holds no {what}: {error}") from error
    if report["missing_keys"]:
        raise ModelUnavailable(f"{folder / WEIGHTS} lacks weights, among them {min(report['missing_keys'])}.")
    found: nn.Module = network
    return found


def placed(network: nn.Module, placement: Placement) -> nn.Module:
    """A network in float32 on the device, its weights beyond the reach of gradients."""
    return network.float().eval().requires_grad_(False).to(placement.device)
