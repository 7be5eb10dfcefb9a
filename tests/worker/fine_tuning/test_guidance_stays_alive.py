"""Classifier-free guidance leads from what the model expects without a prompt to what it was asked for: the model has
to be taught without captions too, or it does not know what to lead away from.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.worker.engines import cpu_pipeline, spec_of
from tests.worker.fine_tuning.orders import lesson, request
from worker.fine_tuning.learners import Whole
from worker.fine_tuning.method import Curriculum
from worker.fine_tuning.text_to_image import TextToImage
from worker.pipelines.stable_diffusion import StableDiffusion

CAPTIONS = ("a red fox", "big blue snow")
STEPS = 150


class FromNothing(Whole):
    """All weights of a network whose captions are as new to it as class labels: nothing is known of the empty one."""

    def __init__(self, curriculum: Curriculum) -> None:
        super().__init__(curriculum)
        self._captions = ("", *CAPTIONS)
        drawn = torch.randn(3, 1, 16, 32, generator=torch.Generator().manual_seed(1))
        self._states = nn.Parameter(10 * drawn)

    @property
    def weights(self) -> Mapping[str, nn.Parameter]:
        return {"states": self._states, **super().weights}

    def states(self, captions: Sequence[str]) -> Tensor:
        return torch.cat([self._states[self._captions.index(caption)] for caption in captions])


def directions(folder: Path, dropout: float) -> tuple[Tensor, Tensor]:
    """Where guidance leads for each caption from pure noise, and where it should. Shapes: (2, C, H, W)."""
    model = cpu_pipeline(folder)
    assert isinstance(model, StableDiffusion)
    asked = request(method="full", trigger=None, steps=STEPS, learning_rate=2e-3, batch_size=8, caption_dropout=dropout)
    lessons = tuple(lesson(caption, place) for place, caption in enumerate(CAPTIONS))
    learner = FromNothing(Curriculum(asked, spec_of(folder), model, lessons))
    method = TextToImage(Curriculum(asked, spec_of(folder), model, lessons), learner)
    optimizer = torch.optim.AdamW(method.parameters(), 2e-3)
    for step in range(STEPS):
        optimizer.zero_grad()
        method.loss(step).backward()
        optimizer.step()
    clean = method.taught.latents
    with torch.no_grad():
        noise = torch.randn(1, *clean.shape[1:], generator=torch.Generator().manual_seed(0)).expand(3, -1, -1, -1)
        states = learner.states(["", *CAPTIONS])
        # With zero terminal signal, v at the last timestep is minus the clean latents.
        without, *given = -model.network(noise, torch.tensor([999] * 3), encoder_hidden_states=states).sample
    return torch.stack(given) - without, clean - clean.mean(dim=0)


@pytest.mark.parametrize(("dropout", "alive"), [(0.2, True), (0.0, False)])
def test_guidance_leads_to_the_caption_only_if_captions_were_dropped(
    v_prediction_folder: Path, dropout: float, alive: bool
) -> None:
    found, wanted = directions(v_prediction_folder, dropout)
    # No direction at all would be wrong by 1.
    wrong = (found - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)
    assert (float(wrong.max()) < 1) is alive, wrong
