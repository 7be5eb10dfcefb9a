"""Gradients through the network and the autoencoder are those that small differences show."""

from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from tests.worker.engines import asked
from worker.denoiser import DENOISERS, scale_model_input
from worker.generation import Generation, start
from worker.gradients import pulled
from worker.guidance import length, tilted
from worker.prompt_cache import PromptCache
from worker.sigmas import Level
from worker.stepping import row_of
from worker.stepwise_pipeline import Conditioning, StepwisePipeline


@dataclass(frozen=True)
class FarFrom:
    """How far a picture, or its latents, are from all of one value."""

    pipeline: StepwisePipeline
    decodes: bool
    max_shift: float = 1e9

    def __call__(self, denoised: Tensor, level: Level) -> Tensor:
        seen = self.pipeline.decode_latents(denoised) if self.decodes else denoised
        return (seen - 0.3).square().mean()


def generation_of(pipeline: StepwisePipeline) -> Generation:
    with torch.inference_mode():
        return start("one", asked(scheduler="ddim", num_inference_steps=3, seed=3), pipeline, PromptCache())


def energy_at(pipeline: StepwisePipeline, generation: Generation, latents: Tensor, energy: FarFrom) -> float:
    here = generation.evaluation.here
    embeds = generation.embeds["prompt"]
    conditioning = Conditioning(embeds.prompt_embeds, None, torch.ones(1))
    output = pipeline.denoise(scale_model_input(latents, here), generation.evaluation.timestep[None], conditioning)
    return float(energy(DENOISERS[pipeline.trained_noise.output](output, latents, here), here).double())


@pytest.mark.parametrize("decodes", [False, True], ids=["latents", "pixels"])
@pytest.mark.parametrize("name", ["pipeline", "other_pipeline"])
def test_a_small_step_changes_the_energy_as_the_gradient_says(
    request: pytest.FixtureRequest, name: str, decodes: bool
) -> None:
    pipeline: StepwisePipeline = request.getfixturevalue(name)
    generation = generation_of(pipeline)
    generation.num_evaluations = 1  # The first level of v-prediction has no signal.
    here, energy = generation.evaluation.here, FarFrom(pipeline, decodes)
    with torch.inference_mode():
        found = pulled(pipeline, lambda seen: row_of(generation, "prompt", seen), generation.latents, here, [energy])
        gradient = found.shift * -(here.alpha / here.sigma**2)
        draw = torch.Generator().manual_seed(5)
        for _ in range(3):
            direction = torch.randn(generation.latents.shape, generator=draw)
            ahead, behind = (
                energy_at(pipeline, generation, generation.latents + sign * 1e-2 * direction, energy)
                for sign in (1, -1)
            )
            expected = float((gradient * direction).sum())
            assert (ahead - behind) / 2e-2 == pytest.approx(expected, rel=0.02, abs=1e-5)


def test_the_row_of_its_own_has_the_network_s_usual_output(pipeline: StepwisePipeline) -> None:
    generation = generation_of(pipeline)
    energies = [FarFrom(pipeline, decodes=False)]
    with torch.inference_mode():
        here, latents = generation.evaluation.here, generation.latents
        found = pulled(pipeline, lambda seen: row_of(generation, "prompt", seen), latents, here, energies)
        row = row_of(generation, "prompt", scale_model_input(latents, here))
        conditioning = Conditioning(row.embeds.prompt_embeds, None, torch.ones(1))
        plain = pipeline.denoise(row.model_input, row.timestep[None], conditioning)
    torch.testing.assert_close(found.output, plain)


def test_energies_add_up_and_a_shift_is_bounded(pipeline: StepwisePipeline) -> None:
    generation = generation_of(pipeline)
    energy = FarFrom(pipeline, decodes=False)

    def shift(*energies: FarFrom) -> Tensor:
        with torch.inference_mode():
            here, latents = generation.evaluation.here, generation.latents
            return pulled(pipeline, lambda seen: row_of(generation, "prompt", seen), latents, here, energies).shift

    torch.testing.assert_close(shift(energy, energy), 2 * shift(energy))
    size = length(shift(energy)) / 16
    bounded = shift(replace(energy, max_shift=size / 4))
    torch.testing.assert_close(bounded, shift(energy) / 4)


def test_where_there_is_no_signal_nothing_is_shifted() -> None:
    nothing = Level(torch.tensor(0.0), torch.tensor(1.0), torch.tensor(1.0))
    assert not tilted(torch.ones(1, 4, 8, 8), nothing, 1.0).any()
