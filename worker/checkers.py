"""Classifiers that look at finished pictures: loading them, and what each kind takes for flagged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
from torch import Tensor, nn
from torch.nn import functional
from transformers import AutoModelForImageClassification

from contract.classifier_specs import CheckerSpec
from contract.errors import ModelUnavailable
from contract.safety import Finding
from worker.classifiers import WEIGHTS, placed, pretrained, read_json, require_digest
from worker.devices import Placement
from worker.images import Pixels
from worker.loading import model_path
from worker.preprocessing import Preprocessing

UNSAFE = "unsafe"
"""The one label of diffusers' own checker."""

SPECIAL_CARE = 0.01
"""By so much it is stricter where a concept of special care is near."""


class Checker(Protocol):
    """Looks at one picture at a time, so that its neighbours make no difference."""

    def find(self, pixels: Pixels) -> Finding:
        """What is in the picture. Raises: ValueError, where nothing can be said."""
        ...


@dataclass(frozen=True)
class ClassificationChecker:
    """An image classifier of transformers; `rows` are those of its labels, of which one is true where `exclusive`."""

    spec: CheckerSpec
    network: nn.Module
    preprocessing: Preprocessing
    rows: Mapping[str, int]
    exclusive: bool

    def find(self, pixels: Pixels) -> Finding:
        """The label that is the furthest above its threshold, or the nearest to it."""
        with torch.inference_mode():
            logits = self.network(pixel_values=self.preprocessing(_tensor(pixels, self.network))).logits[0].float()
        probabilities = functional.softmax(logits, dim=0) if self.exclusive else logits.sigmoid()
        scores = {label: _finite(probabilities[row]) for label, row in self.rows.items()}
        label = max(scores, key=lambda name: scores[name] - self.spec.flags[name])
        flagged = scores[label] >= self.spec.flags[label]
        return Finding(checker=self.spec.id, flagged=flagged, label=label, score=round(scores[label], 4))


@dataclass(frozen=True)
class StableDiffusionChecker:
    """The checker that comes with Stable Diffusion, which knows pictures by how near they are to concepts."""

    spec: CheckerSpec
    network: Any
    preprocessing: Preprocessing

    def find(self, pixels: Pixels) -> Finding:
        """How far the nearest concept is beyond its threshold.

        Source: must flag what `diffusers.pipelines.stable_diffusion.StableDiffusionSafetyChecker.forward` does.
        """
        network = self.network
        with torch.inference_mode():
            seen = self.preprocessing(_tensor(pixels, network))
            embeds = functional.normalize(network.visual_projection(network.vision_model(seen)[1]))
            care = _margins(embeds, network.special_care_embeds, network.special_care_embeds_weights)
            concepts = _margins(embeds, network.concept_embeds, network.concept_embeds_weights)
        stricter = SPECIAL_CARE if _rounded(care.max()) > 0 else 0.0
        score = _rounded(concepts.max() + stricter)
        return Finding(checker=self.spec.id, flagged=score > 0, label=UNSAFE, score=score)


def load_checker(spec: CheckerSpec, placement: Placement) -> Checker:
    """A checker of either kind in float32. Raises: ModelUnavailable."""
    if spec.kind == "image_classification":
        return _classification(spec, placement)
    return _stable_diffusion(spec, placement)


def _classification(spec: CheckerSpec, placement: Placement) -> ClassificationChecker:
    folder = model_path(spec.source, ("config.json", "preprocessor_config.json", WEIGHTS))
    require_digest(folder, spec.sha256)
    config = read_json(folder, "config.json")
    known = {str(label): int(row) for row, label in config.get("id2label", {}).items()}
    if missing := set(spec.flags) - set(known):
        raise ModelUnavailable(f"{spec.id}: config.json has no label {min(missing)!r}.")
    return ClassificationChecker(
        spec,
        placed(pretrained(AutoModelForImageClassification, folder, "image classifier of transformers"), placement),
        Preprocessing.of(read_json(folder, "preprocessor_config.json")),
        {label: known[label] for label in spec.flags},
        exclusive=config.get("problem_type") != "multi_label_classification",
    )


def _stable_diffusion(spec: CheckerSpec, placement: Placement) -> StableDiffusionChecker:
    folder = model_path(spec.source, ("safety_checker/config.json", f"safety_checker/{WEIGHTS}", "feature_extractor/*"))
    require_digest(folder / "safety_checker", spec.sha256)
    seen = read_json(folder, "feature_extractor/preprocessor_config.json")
    if isinstance(seen.get("size"), int):
        seen["size"] = {"shortest_edge": seen["size"]}  # As CLIP's image processor reads a number.
    network = pretrained(StableDiffusionSafetyChecker, folder / "safety_checker", "safety checker of diffusers")
    return StableDiffusionChecker(spec, placed(network, placement), Preprocessing.of(seen))


def _tensor(pixels: Pixels, network: nn.Module) -> Tensor:
    """The picture as classifiers are given it. Shapes: pixels (height, width, 3), result (1, 3, height, width)."""
    device = next(network.parameters()).device
    return torch.from_numpy(pixels.copy()).to(device).permute(2, 0, 1)[None].float() / 127.5 - 1


def _margins(embeds: Tensor, concepts: Tensor, thresholds: Tensor) -> Tensor:
    return (embeds @ functional.normalize(concepts).t())[0] - thresholds


def _rounded(margin: Tensor) -> float:
    return round(_finite(margin), 3)


def _finite(score: Tensor) -> float:
    if not torch.isfinite(score):
        raise ValueError("the checker has found no number")
    return float(score)
