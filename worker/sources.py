"""Where the engine gets what pictures are made with."""

from typing import Protocol

from worker.pipelines.whole import WholePipeline
from worker.stepwise_pipeline import StepwisePipeline


class Models(Protocol):
    """Where the engine's models come from; what is acquired stays until it is released."""

    def acquire(self, model_id: str) -> StepwisePipeline | WholePipeline:
        """The model with this id. Raises: UnknownModel, ModelUnavailable."""
        ...

    def release(self, model_id: str) -> None:
        """One user less."""
        ...

    @property
    def resident(self) -> tuple[str, ...]:
        """The models in memory."""
        ...
