"""The loop of a fine-tune: its steps, and what is told of them on the way."""

from collections.abc import Callable
from math import isfinite
from pathlib import Path
from statistics import fmean

import torch
from safetensors import SafetensorError
from torch import nn

from contract.errors import TrainingDiverged
from contract.fine_tuning import CompleteFineTune
from worker.fine_tuning.checkpoint import Checkpoint, memory_of, remember
from worker.fine_tuning.grids import columns_of, grid_of, sample_seeds
from worker.fine_tuning.health import has_diverged, is_sound
from worker.fine_tuning.messages import Checkpointed, Sampled, Stepped, ToParent, Warned
from worker.fine_tuning.method import Method

Tell = Callable[[ToParent], None]

SMOOTHED = 20
"""Steps over which a loss that is told is the mean."""

LARGEST_GRADIENT = 1.0


class Run:
    """One method being carried out. Promise: interrupted anywhere, it goes on from a checkpoint to the same bytes."""

    def __init__(
        self, request: CompleteFineTune, method: Method, folder: Path, prompts: tuple[str, ...], tell: Tell
    ) -> None:
        self._request, self._method, self._folder, self._prompts, self._tell = request, method, folder, prompts, tell
        self._parameters = list(method.parameters())
        self._optimizer = torch.optim.AdamW(self._parameters, request.learning_rate)
        self._good: Checkpoint | None = None
        self.losses: list[float] = []

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.losses)

    def resume(self, path: Path) -> None:
        """Goes on from a checkpoint; from the beginning, and says so, where it cannot be read."""
        try:
            checkpoint = Checkpoint.read(path)
            self._method.load(dict(checkpoint.learnt))
            remember(self._optimizer, checkpoint.remembered)
        except (OSError, SafetensorError, ValueError, KeyError) as error:
            self._tell(Warned(f"The last checkpoint cannot be read, so teaching begins anew: {error}"))
            return
        self._good, self.losses = checkpoint, list(checkpoint.losses)

    def to_end(self) -> None:
        """Makes the steps that are left. Raises: TrainingDiverged."""
        if self.step == 0:
            self._show()
        while self.step < self._request.steps:
            self._make_step()
            if self.step % self._request.sample_every == 0 or self.step == self._request.steps:
                self._show()
            if self.step % self._request.checkpoint_every == 0 and self.step < self._request.steps:
                self._keep()

    def go_back(self) -> bool:
        """Makes of the method what it was at the last good checkpoint; False where there is none."""
        if self._good is None:
            return False
        self._method.load(dict(self._good.learnt))
        return True

    def _make_step(self) -> None:
        rate = self._method.learning_rate(self.step)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        loss = self._method.loss(self.step)
        self._optimizer.zero_grad()
        loss.backward()
        size = float(nn.utils.clip_grad_norm_(self._parameters, LARGEST_GRADIENT))
        self.losses.append(float(loss.detach()))
        if not isfinite(size) or has_diverged(self.losses):
            raise TrainingDiverged(
                f"The loss began at {self.losses[0]:.3g}, and after {self.step} steps is {self.losses[-1]:.3g}: try a "
                "lower learning_rate.",
                field="learning_rate",
            )
        self._optimizer.step()
        self._tell(Stepped(self.step, fmean(self.losses[-SMOOTHED:]), rate))

    def _show(self) -> None:
        columns = columns_of(self._method, self._prompts, sample_seeds(self._request))
        self._tell(Sampled(self.step, grid_of(columns), self._prompts))

    def _keep(self) -> None:
        if not is_sound(self.losses):
            return
        self._good = Checkpoint(self.step, self._method.state(), memory_of(self._optimizer), tuple(self.losses))
        try:
            self._tell(Checkpointed(self.step, self._good.save(self._folder)))
        except OSError as error:
            self._tell(Warned(f"The checkpoint of step {self.step} could not be written: {error}"))
