"""From a picture to a map of it: a U-Net that sees the picture beside its latents, taught by what it draws in one step.

Source: Martin Garcia et al. 2024, arXiv:2409.11355, section 4; the network's input as Ke et al. 2023,
        arXiv:2312.02145, section 3.2.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from contract.errors import InvalidRequest
from worker import rules, sigmas
from worker.denoiser import DENOISERS
from worker.fine_tuning.denoising import Noised, diffusion_noise, errors
from worker.fine_tuning.draws import chosen, draws
from worker.fine_tuning.map_losses import MAP_LOSSES
from worker.fine_tuning.material import split, square
from worker.fine_tuning.messages import Lesson, ResultFile
from worker.fine_tuning.method import Curriculum
from worker.images import Pixels, pixels_of
from worker.inputs import tensor_of
from worker.latents import seeded_generator
from worker.maps import read_off
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.rules import Point
from worker.sigmas import Spacing

WARM_UP_STEPS = 100

LAST_SHARE = 0.01
"""Of the learning rate, at the end. Source: as above, section 5.1."""

DIFFUSION_STEPS = 10
"""From noise to a map."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pictures, the maps that belong to them, and the latents of both.

    Shapes: pictures and maps (N, 3, height, width), from -1 to 1; beside and latents (N, C, H, W).
    """

    pictures: Tensor
    maps: Tensor
    beside: Tensor
    latents: Tensor

    @classmethod
    def of(cls, model: StableDiffusion, lessons: Sequence[Lesson], resolution: int) -> "Pairs":
        """Of lessons that have maps. Raises: InvalidRequest, DamagedFile."""
        if any(lesson.target is None for lesson in lessons):
            raise InvalidRequest("Every picture needs a map of it, <name>.target.png.", field="dataset")
        pictures = _stacked([lesson.picture for lesson in lessons], resolution)
        maps = _stacked([lesson.target or b"" for lesson in lessons], resolution)
        return cls(pictures, maps, _encoded(model, pictures), _encoded(model, maps))

    def __getitem__(self, places: Sequence[int]) -> "Pairs":
        rows = list(places)
        return Pairs(self.pictures[rows], self.maps[rows], self.beside[rows], self.latents[rows])

    def __len__(self) -> int:
        return len(self.pictures)


def _stacked(files: Sequence[bytes], resolution: int) -> Tensor:
    return torch.cat([tensor_of(square(file, resolution)) for file in files])


@torch.no_grad()
def _encoded(model: StableDiffusion, pictures: Tensor) -> Tensor:
    return torch.cat([model.encode_picture(one, None) for one in pictures.split(1)])


@dataclass(frozen=True, eq=False)
class MapMaker:
    """Draws maps by DDIM; `nothing` is the empty prompt, (1, L, D)."""

    model: StableDiffusion
    nothing: Tensor
    spacing: Spacing = "trailing"

    @classmethod
    def of(cls, model: StableDiffusion) -> "MapMaker":
        """With trailing spacing, by which one step is from the last timestep of training."""
        with torch.no_grad():
            return cls(model, model.encode_prompt("", negative=False).prompt_embeds)

    def draw(self, beside: Tensor, latents: Tensor, num_steps: int) -> Tensor:
        """Maps beside the latents of pictures, from -1 to 1.

        Shapes: beside and latents (B, C, H, W), result (B, 3, height, width).
        Source: Martin Garcia et al. 2024, arXiv:2409.11355, section 3; Song et al. 2020, arXiv:2010.02502, equation 12.
        """
        noise = diffusion_noise(self.model)
        for leg in sigmas.ddim(noise, num_steps, self.spacing).legs:
            seen = torch.cat([latents, beside], dim=1).contiguous(memory_format=torch.channels_last)
            output = self.model.network(
                seen,
                leg.timestep.expand(len(latents)),
                encoder_hidden_states=self.nothing.expand(len(latents), -1, -1),
                return_dict=False,
            )[0]
            denoised = DENOISERS[noise.output](output, latents, leg.here)
            latents = rules.ddim(Point(latents, denoised, (*leg.here[:2], *leg.there[:2]))).latents
        return self.model.decode_latents(latents)


class ImageConditional:
    """Teaches all of the U-Net; prompts are empty."""

    def __init__(self, curriculum: Curriculum) -> None:
        request = curriculum.request
        if request.task is None:
            raise InvalidRequest("image_conditional needs a task.", field="task")
        self._request, self._task = request, request.task
        taught, held = split(curriculum.lessons)
        self._taught = Pairs.of(curriculum.model, taught, request.resolution)
        self._held = Pairs.of(curriculum.model, held, request.resolution) if held else self._taught
        self._model = replace(curriculum.model, network=widened(curriculum.model.network))
        self.maker = MapMaker.of(self._model)
        """Draws as the network does now."""

    def parameters(self) -> Sequence[nn.Parameter]:
        """All weights of the U-Net."""
        return list(self._model.network.parameters())

    def learning_rate(self, step: int) -> float:
        """Rises over the first steps, then falls exponentially."""
        steps = self._request.steps
        rise = min(1.0, (step + 1) / min(WARM_UP_STEPS, max(1, steps // 10)))
        fall: float = LAST_SHARE ** (step / steps)
        return self._request.learning_rate * rise * fall

    def loss(self, step: int) -> Tensor:
        """Of some of the pairs: of maps drawn in one step, or of noise predicted anywhere on the way."""
        places = chosen(len(self._taught), self._request.batch_size, self._request.seed, step)
        return self._loss(self._taught[places], draws(self._request.seed, step, "noise"))

    @torch.no_grad()
    def held_out_loss(self) -> float:
        """The mean over what is not taught, one pair at a time."""
        losses = [
            self._loss(self._held[[place]], draws(self._request.seed, place, "held out"))
            for place in range(len(self._held))
        ]
        return float(torch.stack(losses).mean())

    @torch.no_grad()
    def measures(self) -> dict[str, float]:
        """How wrong maps of what is not taught are as they are served, whatever the network was taught by."""
        pairs = [self._held[[place]] for place in range(len(self._held))]
        losses = [MAP_LOSSES[self._task](self._drawn(pair, place), pair.maps) for place, pair in enumerate(pairs)]
        return {"map_error": float(torch.stack(losses).mean())}

    def state(self) -> dict[str, Tensor]:
        """The U-Net's weights."""
        return {name: value.detach().clone() for name, value in self._model.network.state_dict().items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Goes back to these weights."""
        self._model.network.load_state_dict(state)

    def files(self, folder: Path) -> tuple[ResultFile, ...]:
        """The U-Net as diffusers saves it."""
        self._model.network.save_pretrained(folder, safe_serialization=True)
        names = ("config.json", "diffusion_pytorch_model.safetensors")
        return tuple(ResultFile(name, folder / name, "model") for name in names)

    def sample(self, prompts: Sequence[str], seed: int) -> list[Pixels]:
        """For each prompt, whatever it says: a picture that is not taught, its map as it is drawn now, the true one.

        Another seed shows another picture.
        """
        places = [(place + seed) % len(self._held) for place in range(len(prompts))]
        return [self._shown(self._held[[place]], seed) for place in places]

    @torch.no_grad()
    def _shown(self, pair: Pairs, seed: int) -> Pixels:
        drawn = read_off(self._task, pixels_of(self._drawn(pair, seed)))
        return np.concatenate([pixels_of(pair.pictures), drawn, pixels_of(pair.maps)], axis=1)

    def _drawn(self, pair: Pairs, seed: int) -> Tensor:
        """The map of one picture as it would be served."""
        if self._request.objective == "end_to_end":
            return self.maker.draw(pair.beside, torch.zeros_like(pair.latents), 1)
        noise = torch.randn(pair.latents.shape, generator=seeded_generator(seed))
        return self.maker.draw(pair.beside, noise, DIFFUSION_STEPS)

    def _loss(self, pairs: Pairs, generator: torch.Generator) -> Tensor:
        if self._request.objective == "diffusion":
            states = self.maker.nothing.expand(len(pairs), -1, -1)
            noised = Noised.drawn(pairs.latents, diffusion_noise(self._model), generator)
            return errors(self._model, noised, states, pairs.beside).mean()
        drawn = self.maker.draw(pairs.beside, torch.zeros_like(pairs.latents), 1)
        return MAP_LOSSES[self._task](drawn, pairs.maps)


def widened(network: Any) -> Any:
    """A copy of a U-Net that takes twice the channels, to learn from: on the same thing twice, it says what it said.

    Source: Ke et al. 2023, arXiv:2312.02145, section 3.2.
    """
    wide = deepcopy(network).requires_grad_(True).train()
    narrow = network.conv_in
    wide.conv_in = nn.utils.skip_init(
        nn.Conv2d, 2 * narrow.in_channels, narrow.out_channels, narrow.kernel_size, padding=narrow.padding
    )
    with torch.no_grad():
        wide.conv_in.weight.copy_(torch.cat([narrow.weight, narrow.weight], dim=1) / 2)
        wide.conv_in.bias.copy_(narrow.bias)
    wide.register_to_config(in_channels=2 * network.config.in_channels)
    return wide
