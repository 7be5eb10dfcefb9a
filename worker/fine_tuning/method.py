"""What a way of teaching is: what it trains, what one step of it costs the network, what it leaves behind."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from contract.catalogue import ModelSpec
from contract.fine_tuning import CompleteFineTune
from worker.fine_tuning.messages import Lesson, ResultFile
from worker.images import Pixels
from worker.pipelines.stable_diffusion import StableDiffusion


@dataclass(frozen=True, eq=False)
class Curriculum:
    """What is taught, to whom: `model` is loaded anew from `spec`, in float32, and all its weights are frozen."""

    request: CompleteFineTune
    spec: ModelSpec
    model: StableDiffusion
    lessons: tuple[Lesson, ...]


class Method(Protocol):
    """One run. The loop owns the optimiser, the checkpoints, and what is told; steps are counted from 0.

    Promise: `loss`, `learning_rate` and `sample` depend on the curriculum, the parameters and their arguments alone, so
    a run that was interrupted goes on to the same bytes.
    """

    def parameters(self) -> Sequence[nn.Parameter]:
        """What the optimiser changes, always in the same order."""
        ...

    def learning_rate(self, step: int) -> float:
        """How far the optimiser goes in this step."""
        ...

    def loss(self, step: int) -> Tensor:
        """What the optimiser is to lower in this step; every draw is of a generator seeded by (seed, step)."""
        ...

    def held_out_loss(self) -> float:
        """The error on what is not taught, with noise that is the same every time: for the card, before and after."""
        ...

    def measures(self) -> dict[str, float]:
        """What only this method is measured by, for the card; mostly nothing."""
        ...

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps of it; the optimiser's state is the loop's."""
        ...

    def load(self, state: dict[str, Tensor]) -> None:
        """Goes back to where `state` was taken."""
        ...

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        """Writes what was learnt, in each layout."""
        ...

    def sample(self, prompts: Sequence[str], seed: int) -> list[Pixels]:
        """What the model makes of prompts as it is now: row i depends on prompt i and the seed alone."""
        ...


MakeMethod = Callable[[Curriculum], Method]
"""How the loop comes by a method: `worker.fine_tuning.teaching.METHODS` has one for each name."""
