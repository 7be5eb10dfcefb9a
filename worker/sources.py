"""Where the engine gets what pictures are made with."""

from collections.abc import Callable, Sequence
from typing import Protocol

from contract.errors import UnknownClassifier
from worker.classifiers import Classifier
from worker.pipelines.whole import WholePipeline
from worker.residency import P
from worker.stepwise_pipeline import StepwisePipeline


class Models(Protocol):
    """Where the engine's models come from; what is acquired stays until it is released."""

    def acquire(self, model_id: str) -> StepwisePipeline | WholePipeline:
        """The model with this id. Raises: UnknownModel, ModelUnavailable."""
        ...

    def release(self, model_id: str) -> None:
        """One user less."""
        ...

    def acquire_part(self, part_id: str, load: Callable[[], P], expected_bytes: int, *, beside: Sequence[str]) -> P:
        """What is loaded beside a model, as `Residency.acquire_part`; released like a model."""
        ...

    @property
    def resident(self) -> tuple[str, ...]:
        """The models in memory."""
        ...


class ClassifierSource(Protocol):
    """Where the classifiers come from that guidance follows."""

    def load(self, classifier_id: str, model_id: str) -> Classifier:
        """The classifier with this id, for pictures of a model. Raises: UnknownClassifier, ModelUnavailable."""
        ...


class NoClassifiers:
    """Of a service that offers none."""

    def load(self, classifier_id: str, model_id: str) -> Classifier:
        """Raises: UnknownClassifier."""
        raise UnknownClassifier(f"There is no classifier {classifier_id!r}.", field="guidance")
