"""Each kind of guidance is its published rule: equal to diffusers where diffusers is right, and to closed forms."""

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPAGPipeline, StableDiffusionPipeline
from diffusers.guiders.adaptive_projected_guidance import MomentumBuffer, normalized_guidance
from torch import Tensor

from contract.errors import UnsupportedGuidance
from contract.request import Scheduler
from tests.worker.engines import asked, cpu_pipeline
from tests.worker.mixtures import latents_of
from tests.worker.oracles import oracle, replaced_scheduler
from worker import guidance
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

STEPS = 4
RENOISING: tuple[Scheduler, ...] = ("euler", "euler_karras", "euler_ancestral", "ddim", "ddim_trailing")


def theirs_of(theirs: Any, **options: object) -> Tensor:
    with replaced_scheduler(theirs, EulerDiscreteScheduler.from_config(theirs.scheduler.config)):
        latents: Tensor = theirs(
            "a red apple",
            num_inference_steps=STEPS,
            height=64,
            width=64,
            generator=torch.Generator().manual_seed(7),
            output_type="latent",
            **options,
        ).images
    return latents


def ours_of(ours: StepwisePipeline, *kinds: dict[str, object], **changes: object) -> Tensor:
    request = asked(num_inference_steps=STEPS, guidance_scale=None, guidance=list(kinds), **changes)
    return latents_of(ours, request)


def classifier_free(scale: float, **changes: object) -> dict[str, object]:
    return {"kind": "classifier_free", "scale": scale} | changes


def perturbed(scale: float) -> dict[str, object]:
    return {"kind": "perturbed_attention", "scale": scale}


def assert_near(ours: Tensor, theirs: Tensor, tolerance: float = 2e-5) -> None:
    assert (ours - theirs).abs().max().item() <= tolerance * theirs.abs().max().item()


@pytest.mark.parametrize("rescale", [0.3, 1.0])
def test_rescaling_equals_that_of_stable_diffusion_pipeline(
    epsilon_folder: Path, pipeline: StepwisePipeline, rescale: float
) -> None:
    theirs = oracle(StableDiffusionPipeline, epsilon_folder)
    expected = theirs_of(theirs, guidance_scale=4.0, guidance_rescale=rescale)
    found = ours_of(pipeline, classifier_free(4.0, rescale=rescale))
    assert_near(found, expected)
    assert not torch.allclose(found, ours_of(pipeline, classifier_free(4.0)), rtol=1e-3)


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("name", ["epsilon_folder", "v_prediction_folder"])
def test_perturbed_attention_equals_that_of_its_pipeline(
    request: pytest.FixtureRequest, name: str, scale: float
) -> None:
    folder = request.getfixturevalue(name)
    theirs = oracle(StableDiffusionPAGPipeline, folder)
    expected = theirs_of(theirs, guidance_scale=scale, pag_scale=3.0)
    ours = cpu_pipeline(folder)
    found = ours_of(ours, *([classifier_free(scale)] if scale > 1 else []), perturbed(3.0))
    assert_near(found, expected)
    assert not torch.allclose(found, ours_of(ours, classifier_free(scale)), rtol=1e-3)


@pytest.mark.parametrize("name", ["sd3", "flux"])
def test_families_without_a_middle_refuse_to_be_perturbed(request: pytest.FixtureRequest, name: str) -> None:
    family = {"sd3": "stable_diffusion_3", "flux": "flux"}[name]
    ours = cpu_pipeline(request.getfixturevalue(f"{name}_folder"), family)
    with pytest.raises(UnsupportedGuidance):
        ours_of(ours, perturbed(3.0), scheduler="flow_match_euler")


@pytest.mark.parametrize(("eta", "threshold", "momentum"), [(1.0, 0.0, 0.0), (0.0, 0.0, 0.0), (0.3, 2.0, -0.5)])
def test_projection_equals_diffusers_with_the_paper_s_formula(eta: float, threshold: float, momentum: float) -> None:
    """Theirs adds to the unconditional prediction, unless told to use the original formula, whose scale is w - 1."""
    draw = torch.Generator().manual_seed(3)
    buffer, running = MomentumBuffer(momentum), None
    for _ in range(3):
        conditional, unconditional = torch.randn(2, 1, 4, 8, 8, generator=draw)
        expected = normalized_guidance(conditional, unconditional, 6.0, buffer, eta, threshold, True)
        running = guidance.averaged(conditional - unconditional, running, momentum)
        found = conditional + guidance.adaptive_projected(conditional, running, 7.0, eta, threshold)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("scheduler", ["euler", "dpmpp_2m", "heun"])
def test_projection_that_leaves_nothing_out_is_classifier_free_guidance(
    pipeline: StepwisePipeline, scheduler: Scheduler
) -> None:
    whole = {"kind": "adaptive_projected", "scale": 5.0, "eta": 1.0, "momentum": 0.0}
    expected = ours_of(pipeline, classifier_free(5.0), scheduler=scheduler)
    assert_near(ours_of(pipeline, whole, scheduler=scheduler), expected, 2e-4)
    assert not torch.allclose(ours_of(pipeline, whole | {"eta": 0.0}, scheduler=scheduler), expected, rtol=1e-2)
    assert not torch.allclose(ours_of(pipeline, whole | {"momentum": -0.5}, scheduler=scheduler), expected, rtol=1e-2)


@pytest.mark.parametrize("scheduler", RENOISING)
def test_between_both_predictions_one_end_is_the_negative_prompt_s(
    pipeline: StepwisePipeline, scheduler: Scheduler
) -> None:
    found = ours_of(pipeline, {"kind": "cfg_pp", "scale": 0.0}, negative_prompt="a leaf", scheduler=scheduler)
    assert_near(found, ours_of(pipeline, classifier_free(1.0), prompt="a leaf", scheduler=scheduler))


@pytest.mark.parametrize("scheduler", RENOISING)
def test_between_equal_predictions_is_plain_sampling(pipeline: StepwisePipeline, scheduler: Scheduler) -> None:
    found = ours_of(pipeline, {"kind": "cfg_pp", "scale": 0.6}, negative_prompt="a red apple", scheduler=scheduler)
    assert_near(found, ours_of(pipeline, classifier_free(1.0), scheduler=scheduler))


SINGLE = [
    classifier_free(4.0),
    classifier_free(4.0, rescale=0.5),
    {"kind": "adaptive_projected", "scale": 4.0},
    perturbed(2.0),
]


@pytest.mark.parametrize("one", SINGLE[:3], ids=str)
def test_corrections_add_up(pipeline: StepwisePipeline, one: dict[str, object]) -> None:
    """One step leads to the estimate itself."""

    def estimate(*kinds: dict[str, object]) -> Tensor:
        return latents_of(pipeline, asked(num_inference_steps=1, guidance_scale=None, guidance=list(kinds)))

    plain, other = estimate(classifier_free(1.0)), perturbed(2.0)
    together = estimate(one, other) - plain
    assert_near(together, estimate(one) - plain + (estimate(other) - plain), 2e-4)
    assert_near(estimate(other, one), estimate(one, other), 1e-6)
