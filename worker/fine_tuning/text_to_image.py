"""What all methods of text-to-image have in common: noisy latents under captions, whatever of the model learns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from worker.fine_tuning import draws
from worker.fine_tuning.denoising import Brush, Noised, diffusion_noise, errors, paint
from worker.fine_tuning.material import Material, encoded, split, square
from worker.fine_tuning.messages import Lesson, ResultFile
from worker.fine_tuning.method import Curriculum
from worker.images import Pixels

WARM_UP = 20
"""Steps in which the learning rate rises."""

NUM_HELD_OUT_DRAWS = 4
"""How often each picture that is held out is made noisy, at as many parts of the way."""


class Learner(Protocol):
    """What of a model learns, while the rest stays as it is."""

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        """By names under which a checkpoint keeps them."""
        ...

    def states(self, captions: Sequence[str]) -> Tensor:
        """What the network attends to, as the learner has them now. Shapes: result (B, L, D)."""
        ...

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        """Writes what was learnt, in each layout."""
        ...


class TextToImage:
    """A method: it shows the network noisy latents of lessons, and of a class that is to stay as it is."""

    def __init__(self, curriculum: Curriculum, learner: Learner) -> None:
        self._request, self._model, self._learner = curriculum.request, curriculum.model, learner
        self._noise = diffusion_noise(curriculum.model)
        defaults = curriculum.spec.defaults
        self._brush = Brush(self._request.resolution, defaults.num_inference_steps, defaults.guidance_scale)
        taught, held = split(curriculum.lessons)
        self.taught = self._material(taught)
        self._held = self._material(held) if held else self.taught
        self._prior = self._prior_material()

    def parameters(self) -> Sequence[nn.Parameter]:
        return list(self._learner.weights.values())

    def learning_rate(self, step: int) -> float:
        """It rises, holds for half of the steps, and falls in a straight line."""
        done = step / self._request.steps
        return self._request.learning_rate * min(1.0, (step + 1) / WARM_UP) * min(1.0, 2 * (1 - done))

    def loss(self, step: int) -> Tensor:
        loss = self._mean_error(self.taught, step, "lessons", self._request.caption_dropout)
        if self._prior is not None and self._request.prior_preservation is not None:
            weight = self._request.prior_preservation.weight
            loss = loss + weight * self._mean_error(self._prior, step, "prior", 0.0)
        return loss

    @torch.no_grad()
    def held_out_loss(self) -> float:
        states = self._learner.states(self._held.captions)
        losses = []
        for turn in range(NUM_HELD_OUT_DRAWS):
            generator = draws.draws(self._request.seed, turn, "held out")
            noised = Noised.drawn(self._held.latents, self._noise, generator)
            losses.append(errors(self._model, noised, states).mean())
        return float(torch.stack(losses).mean())

    def measures(self) -> dict[str, float]:
        return {}

    def state(self) -> dict[str, Tensor]:
        return {name: weight.detach().clone() for name, weight in self._learner.weights.items()}

    @torch.no_grad()
    def load(self, state: dict[str, Tensor]) -> None:
        for name, weight in self._learner.weights.items():
            weight.copy_(state[name])

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        return self._learner.files(folder)

    def sample(self, prompts: Sequence[str], seed: int) -> list[Pixels]:
        return paint(self._model, self._learner.states, prompts, [seed] * len(prompts), self._brush)

    def _mean_error(self, material: Material, step: int, purpose: str, dropout: float) -> Tensor:
        seed, size = self._request.seed, self._request.batch_size
        chosen = draws.chosen(len(material), size, seed, step)
        left_out = draws.dropped(size, dropout, seed, step)
        captions = ["" if out else material.captions[place] for place, out in zip(chosen, left_out, strict=True)]
        noised = Noised.drawn(material.latents[chosen], self._noise, draws.draws(seed, step, purpose))
        return errors(self._model, noised, self._learner.states(captions)).mean()

    def _material(self, lessons: Sequence[Lesson]) -> Material:
        pixels = [square(lesson.picture, self._request.resolution) for lesson in lessons]
        latents = encoded(self._model, pixels, self._request.seed)
        return Material(latents, tuple(lesson.caption for lesson in lessons))

    def _prior_material(self) -> Material | None:
        """Pictures of the class, as the base makes them."""
        prior = self._request.prior_preservation
        if prior is None:
            return None
        pixels = [
            picture
            for seed in range(self._request.seed, self._request.seed + prior.num_pictures)
            for picture in self.sample([prior.class_prompt], seed % 2**63)
        ]
        latents = encoded(self._model, pixels, self._request.seed)
        return Material(latents, (prior.class_prompt,) * prior.num_pictures)
