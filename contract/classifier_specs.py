"""The classifiers that this service has: those that guidance may follow, and those that look at finished pictures."""

import math
from typing import Literal

from pydantic import Field, model_validator

from contract.errors import UnknownLabel, UnsupportedClassifier
from contract.rows import HubSource, LocalSource, Row


class ClassifierSpec(Row):
    """One classifier that guidance may follow: of noisy latents of some models, or of finished pictures of any.

    `sha256` is the hex digest of its `model.safetensors`. `labels` are those on offer, out of its `config.json`.
    """

    id: str
    kind: Literal["latents", "pixels"]
    models: tuple[str, ...] = ()
    source: LocalSource | HubSource
    sha256: str
    owned_by: str
    licence: str
    created: int
    labels: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_models_if_it_must(self) -> "ClassifierSpec":
        if (self.kind == "latents") != bool(self.models):
            raise ValueError("models must be named by classifiers of latents, and by no others")
        return self

    def check(self, label: str, model_id: str, within: str = "") -> None:
        """Refuses what this classifier cannot steer; `within` is what stands before its fields' names in the request.

        Raises: UnsupportedClassifier, UnknownLabel.
        """
        if self.models and model_id not in self.models:
            raise UnsupportedClassifier(
                f"{self.id} reads latents of {', '.join(self.models)}, and not of {model_id}.",
                field=f"{within}classifier",
            )
        if label not in self.labels:
            raise UnknownLabel(f"{self.id} knows {', '.join(self.labels)}.", field=f"{within}label")


class CheckerSpec(Row):
    """One classifier that looks at the finished pictures of the models that name it.

    `image_classification` is any image classifier of transformers; `flags` are the labels of its `config.json` that it
    flags, each with the probability from which on it does. `stable_diffusion` is a pipeline's folder, whose
    `safety_checker` and `feature_extractor` are read; it flags what diffusers would. `sha256` is the hex digest of the
    checker's `model.safetensors`.
    """

    id: str
    kind: Literal["image_classification", "stable_diffusion"]
    source: LocalSource | HubSource
    sha256: str
    owned_by: str
    licence: str
    created: int
    flags: dict[str, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _flags_what_it_can(self) -> "CheckerSpec":
        if (self.kind == "image_classification") != bool(self.flags):
            raise ValueError("flags are what image_classification has, and no other kind")
        if not all(math.isfinite(threshold) and 0 < threshold <= 1 for threshold in self.flags.values()):
            raise ValueError("flags are probabilities, more than 0 and at most 1")
        return self
