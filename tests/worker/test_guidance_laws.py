"""Guidance where all is known: mixtures of normal distributions, whose guided densities have closed forms."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from contract.request import Scheduler
from tests.worker.engines import asked
from tests.worker.mixtures import BOTH, DEVIATION, KNOWN, MEANS, SHAPE, Mixtures, latents_of
from worker.classifiers import LatentsClassifier
from worker.gradients import of_log_probability
from worker.guidance import tilted, way_done
from worker.samplers import SAMPLERS
from worker.sigmas import Level, level_at
from worker.trained_noise import DiffusionNoise

MIXTURES = Mixtures()
STEPS = 10
DETERMINISTIC: tuple[Scheduler, ...] = ("ddim", "euler", "heun", "dpmpp_2m", "unipc")
STOCHASTIC: tuple[Scheduler, ...] = ("euler_ancestral", "dpmpp_2m_sde")


def sampled(prompt: str, *kinds: dict[str, object], **changes: object) -> Tensor:
    guided = {"guidance_scale": None, "guidance": list(kinds)} if kinds else {"guidance_scale": 1.0}
    return latents_of(MIXTURES, asked(prompt=prompt, num_inference_steps=STEPS, **guided, **changes))


def towards(label: str, scale: float = 1.0, **changes: object) -> dict[str, object]:
    return {"kind": "classifier", "classifier": "latents", "label": label, "scale": scale} | changes


@pytest.mark.parametrize("scheduler", DETERMINISTIC)
@pytest.mark.parametrize("scale", [2.0, 4.0])
def test_classifier_free_guidance_of_normal_data_is_sampling_of_a_mean_further_on(
    scheduler: Scheduler, scale: float
) -> None:
    """Densities p(x|c)^w · p(x)^(1-w) of equal widths are normal, and their mean is m + w · (c - m)."""
    kind = {"kind": "classifier_free", "scale": scale}
    found = sampled("0.3", kind, negative_prompt="-0.1", scheduler=scheduler)
    torch.testing.assert_close(found, sampled(str(-0.1 + scale * 0.4), scheduler=scheduler), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("scheduler", [*DETERMINISTIC, *STOCHASTIC])
@pytest.mark.parametrize("prompt", ["", BOTH])
@pytest.mark.parametrize("label", ["low", "high"])
def test_a_classifier_that_is_right_makes_the_whole_into_the_class(
    scheduler: Scheduler, prompt: str, label: str
) -> None:
    """Bayes' rule, at every level: the score of the mixture and the classifier's is the score of one part."""
    found = sampled(prompt, towards(label), scheduler=scheduler)
    expected = sampled(str(MEANS[label == "high"]), scheduler=scheduler)
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("exploding", [False, True])
@pytest.mark.parametrize("timestep", [100, 500, 900])
def test_a_scale_is_the_power_of_the_classifier_s_probability(scale: float, timestep: int, *, exploding: bool) -> None:
    """The score of p(x) · p(c|x)^s is p(x)'s and s times (1 - p(c|x)) · α · (this mean - the other) / variance."""
    noise, classifier = MIXTURES.trained_noise, KNOWN.classifiers["latents"]
    assert isinstance(noise, DiffusionNoise)
    assert isinstance(classifier, LatentsClassifier)
    here = level_at(noise, timestep)
    if exploding:
        here = Level(torch.tensor(1.0), here.sigma / here.alpha, (here.sigma / here.alpha) ** 2 + 1)
    latents = 0.3 * torch.randn(SHAPE, generator=torch.Generator().manual_seed(1)) / here.alpha.clamp(min=0.3)
    variance = (here.alpha * DEVIATION) ** 2 + here.sigma**2
    distances = torch.stack([(latents - here.alpha * mean).square().sum() for mean in MEANS])
    certainty = (-distances / (2 * variance)).softmax(0)[1]
    expected = scale * here.sigma**2 * (1 - certainty) * (MEANS[1] - MEANS[0]) / variance
    gradient = of_log_probability(classifier, "high", latents, here).gradient
    torch.testing.assert_close(tilted(scale * gradient, here, 1e9), expected.expand(SHAPE), atol=1e-5, rtol=1e-4)


def test_a_classifier_and_a_prompt_add_up() -> None:
    """Of the part that the prompt names already, the classifier has nothing to say; of both, it leaves one."""
    pair = [{"kind": "classifier_free", "scale": 3.0}, towards("high", scale=1.0)]
    alone = sampled("0.5", pair[0], negative_prompt="0.4")
    assert (sampled("0.5", *pair, negative_prompt="0.4") > alone).all()
    torch.testing.assert_close(sampled(BOTH, *pair, negative_prompt=BOTH), sampled("0.6"), atol=2e-3, rtol=2e-3)


@pytest.mark.parametrize("scale", [0.0, 0.4, 1.0])
def test_two_families_of_methods_agree_on_what_renoising_is(scale: float) -> None:
    """DDIM and Euler's method are one, on these levels and from one noise, in coordinates that differ by a factor."""
    kind = {"kind": "cfg_pp", "scale": scale}
    found = [sampled("0.5", kind, negative_prompt=BOTH, scheduler=name) for name in ("ddim", "euler")]
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scale", [0.0, 0.4, 1.0])
def test_renoising_follows_its_closed_form(scale: float) -> None:
    """Algorithm 2 of arXiv:2406.08070 in numbers of double precision, whose estimates are those of normal data."""
    noise = MIXTURES.trained_noise
    assert isinstance(noise, DiffusionNoise)
    latents = MIXTURES.prepare_latents(0, 0, torch.Generator().manual_seed(7)).double()
    for leg in SAMPLERS["ddim"].schedule_for(noise, STEPS, 16).course.legs:
        (alpha, sigma, _), (next_alpha, next_sigma, _) = ((number.double() for number in end) for end in leg[1:])
        kept = alpha * DEVIATION**2 / ((alpha * DEVIATION) ** 2 + sigma**2)
        negative, positive = (mean + kept * (latents - alpha * mean) for mean in (-0.2, 0.5))
        estimate = negative + scale * (positive - negative)
        latents = next_alpha * estimate + next_sigma * (latents - alpha * negative) / sigma
    found = sampled("0.5", {"kind": "cfg_pp", "scale": scale}, negative_prompt="-0.2", scheduler="ddim")
    torch.testing.assert_close(found.double(), latents, atol=1e-4, rtol=1e-4)


def test_a_classifier_of_pictures_makes_them_likelier() -> None:
    def brightness(scale: float, recurrence: int) -> float:
        kind = {"kind": "universal", "classifier": "pixels", "label": "high", "scale": scale, "recurrence": recurrence}
        return float(sampled("0.0", kind, scheduler="ddim").mean())

    plain = float(sampled("0.0", scheduler="ddim").mean())
    assert brightness(0.0, 1) == pytest.approx(plain)
    assert plain < brightness(0.5, 1) < brightness(2.0, 1)
    assert plain < brightness(2.0, 3)


@pytest.mark.parametrize("scheduler", ["ddim", "euler", "dpmpp_2m"])
def test_a_way_is_done_alike_whatever_the_scheduler(scheduler: Scheduler) -> None:
    noise = MIXTURES.trained_noise
    course = SAMPLERS[scheduler].schedule_for(noise, STEPS, 16).course
    done = [way_done(leg.here) for leg in course.legs]
    assert all(0 <= here < there <= 1 for here, there in pairwise(done))
    assert isinstance(noise, DiffusionNoise)
    for leg, here in zip(course.legs, done, strict=True):
        assert here == pytest.approx(way_done(level_at(noise, int(leg.timestep))), abs=1e-4)


def test_all_of_the_way_and_none_of_it() -> None:
    kind = {"kind": "classifier_free", "scale": 3.0}
    always, never = sampled("0.5", kind), sampled("0.5")
    assert torch.equal(sampled("0.5", kind | {"interval": [0.0, 1.0]}), always)
    assert torch.equal(sampled("0.5", kind | {"interval": [0.0, 1e-9]}), never)
    halves = [sampled("0.5", kind | {"interval": half}) for half in ([0.0, 0.5], [0.5, 1.0])]
    assert all(not torch.equal(half, other) for half in halves for other in (always, never))
