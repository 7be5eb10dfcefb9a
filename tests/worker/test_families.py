"""Stable Diffusion 3 and Flux: our verbs make what diffusers' own pipelines make, to the bit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, StableDiffusion3Pipeline
from torch import Tensor

from contract.catalogue import Family
from contract.errors import LimitExceeded
from contract.request import Scheduler
from tests.tiny_models import build_flux, build_stable_diffusion_3
from tests.tiny_parts import LONG_TOKENS, TOKENS
from tests.worker.engines import RecordsLatents, asked, cpu_pipeline, engine_of, run
from worker.guidance import classifier_free
from worker.images import pixels_of
from worker.pipelines.flux import packed, positions, unpacked
from worker.stepwise_pipeline import Conditioning, PromptEmbeds, StepwisePipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

HEIGHT, WIDTH, STEPS = 64, 96, 4


class Pair(NamedTuple):
    """A model as diffusers runs it, and as we do."""

    theirs: Any
    ours: StepwisePipeline


def pair_of(folder: Path, pipeline_class: Any, family: Family, **parts: None) -> Pair:
    theirs = pipeline_class.from_pretrained(folder, low_cpu_mem_usage=False, **parts)
    theirs.set_progress_bar_config(disable=True)
    return Pair(theirs, cpu_pipeline(folder, family))


@pytest.fixture(scope="module")
def sd3(sd3_folder: Path) -> Pair:
    return pair_of(sd3_folder, StableDiffusion3Pipeline, "stable_diffusion_3")


@pytest.fixture(scope="module")
def sd3_without_t5(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("sd3_without_t5")
    build_stable_diffusion_3(folder, with_t5=False)
    absent: dict[str, None] = {"text_encoder_3": None, "tokenizer_3": None}
    return pair_of(folder, StableDiffusion3Pipeline, "stable_diffusion_3", **absent)


@pytest.fixture(scope="module")
def flux(flux_folder: Path) -> Pair:
    return pair_of(flux_folder, FluxPipeline, "flux")


@pytest.fixture(scope="module")
def guided_flux(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    folder = tmp_path_factory.mktemp("guided_flux")
    build_flux(folder, guidance_embeds=True)
    return pair_of(folder, FluxPipeline, "flux")


def their_images(theirs: Any, output_type: str, **arguments: Any) -> Any:
    return theirs(
        "a red apple",
        height=HEIGHT,
        width=WIDTH,
        num_inference_steps=STEPS,
        generator=torch.Generator().manual_seed(7),
        output_type=output_type,
        **arguments,
    ).images


def conditioning(rows: list[PromptEmbeds], guidance_scale: float) -> Conditioning:
    pooled = [row.pooled_prompt_embeds for row in rows if row.pooled_prompt_embeds is not None]
    scales = torch.full((len(rows),), guidance_scale)
    return Conditioning(torch.cat([row.prompt_embeds for row in rows]), torch.cat(pooled), scales)


Velocity = Callable[[Tensor, Tensor], Tensor]


def plain(ours: StepwisePipeline, guidance_scale: float) -> Velocity:
    """The network's output with the prompt, told this guidance scale."""
    embeds = conditioning([ours.encode_prompt("a red apple", negative=False)], guidance_scale)
    return lambda latents, timestep: ours.denoise(latents, timestep[None], embeds)


def guided_together(ours: StepwisePipeline, guidance_scale: float) -> Velocity:
    """Classifier-free guidance with both rows in one forward."""
    rows = [ours.encode_prompt("a leaf", negative=True), ours.encode_prompt("a red apple", negative=False)]
    embeds = conditioning(rows, guidance_scale)

    def velocity(latents: Tensor, timestep: Tensor) -> Tensor:
        outputs = ours.denoise(latents.repeat(2, 1, 1, 1), timestep.repeat(2), embeds)
        return classifier_free(*outputs.split(1), guidance_scale)

    return velocity


def guided_apart(ours: StepwisePipeline, guidance_scale: float) -> Velocity:
    """Classifier-free guidance with each row in a forward of its own."""
    negative = conditioning([ours.encode_prompt("a leaf", negative=True)], guidance_scale)
    positive = plain(ours, guidance_scale)
    return lambda latents, timestep: classifier_free(
        ours.denoise(latents, timestep[None], negative), positive(latents, timestep), guidance_scale
    )


@torch.inference_mode()
def our_latents(pair: Pair, velocity: Velocity) -> Tensor:
    """Our verbs, walked along the noise levels that their pipeline has just used.

    Source: `FlowMatchEulerDiscreteScheduler.step`.
    """
    scheduler = pair.theirs.scheduler
    latents = pair.ours.prepare_latents(HEIGHT, WIDTH, torch.Generator().manual_seed(7))
    for timestep, here, there in zip(scheduler.timesteps, scheduler.sigmas, scheduler.sigmas[1:], strict=False):
        latents = latents + (there - here) * velocity(latents, timestep)
    return latents


def unpacked_like(latents: Tensor) -> Tensor:
    return latents if latents.dim() == 4 else unpacked(latents, HEIGHT // 8, WIDTH // 8)


class Case(NamedTuple):
    model: str
    guide: Callable[[StepwisePipeline, float], Velocity]
    guidance_scale: float
    arguments: dict[str, Any]


SHORT = {"max_sequence_length": LONG_TOKENS}
CASES = {
    "sd3": Case("sd3", plain, 1.0, {"guidance_scale": 1.0} | SHORT),
    "sd3 guided": Case("sd3", guided_together, 4.0, {"guidance_scale": 4.0, "negative_prompt": "a leaf"} | SHORT),
    "sd3 without T5": Case("sd3_without_t5", plain, 1.0, {"guidance_scale": 1.0}),
    "flux": Case("flux", plain, 1.0, SHORT),
    "flux, truly guided": Case("flux", guided_apart, 4.0, {"true_cfg_scale": 4.0, "negative_prompt": "a leaf"} | SHORT),
    "flux, told 1": Case("guided_flux", plain, 1.0, {"guidance_scale": 1.0} | SHORT),
    "flux, told 3.5": Case("guided_flux", plain, 3.5, {"guidance_scale": 3.5} | SHORT),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_latents_and_pixels_equal_those_of_the_pipeline(request: pytest.FixtureRequest, case: Case) -> None:
    pair: Pair = request.getfixturevalue(case.model)
    picture = np.asarray(their_images(pair.theirs, "pil", **case.arguments)[0])
    expected = unpacked_like(their_images(pair.theirs, "latent", **case.arguments))
    ours = our_latents(pair, case.guide(pair.ours, case.guidance_scale))
    assert torch.equal(ours, expected)
    assert np.array_equal(pixels_of(pair.ours.decode_latents(ours)), picture)


def engine_latents(ours: StepwisePipeline, scheduler: Scheduler, guidance_scale: float, num_rows: int) -> Tensor:
    recording = RecordsLatents(ours)
    engine = engine_of(recording, num_rows)
    wishes: dict[str, Any] = {"height": HEIGHT, "width": WIDTH, "negative_prompt": "a leaf"}
    engine.add("one", asked(num_inference_steps=STEPS, scheduler=scheduler, guidance_scale=guidance_scale, **wishes))
    run(engine)
    return recording.decoded[0]


@pytest.mark.parametrize(
    ("name", "scheduler", "num_rows"),
    [
        ("sd3", "euler", 1),
        ("sd3 guided", "euler", 2),
        ("sd3 without T5", "euler", 1),
        ("flux", "euler_trailing", 1),
        ("flux, truly guided", "euler_trailing", 1),
        ("flux, told 1", "euler_trailing", 1),
    ],
)
def test_the_engine_makes_the_same_latents(
    request: pytest.FixtureRequest, name: str, scheduler: Scheduler, num_rows: int
) -> None:
    """Our step goes by way of the clean latents, theirs does not: the same numbers, rounded differently."""
    case = CASES[name]
    pair: Pair = request.getfixturevalue(case.model)
    expected = unpacked_like(their_images(pair.theirs, "latent", **case.arguments))
    ours = engine_latents(pair.ours, scheduler, case.guidance_scale, num_rows)
    assert (ours - expected).abs().max() <= 2e-6 * expected.abs().max()


@pytest.mark.parametrize("model", ["sd3", "flux", "guided_flux"])
def test_a_row_does_not_depend_on_the_row_beside_it(request: pytest.FixtureRequest, model: str) -> None:
    ours: StepwisePipeline = request.getfixturevalue(model).ours

    def row(seed: int, prompt: str, timestep: float, scale: float) -> tuple[Tensor, Tensor, PromptEmbeds, Tensor]:
        noise = ours.prepare_latents(HEIGHT, WIDTH, torch.Generator().manual_seed(seed))
        return noise, torch.tensor(timestep), ours.encode_prompt(prompt, negative=False), torch.tensor(scale)

    def forward(*rows: tuple[Tensor, Tensor, PromptEmbeds, Tensor]) -> Tensor:
        latents, timesteps, embeds, scales = zip(*rows, strict=True)
        told = conditioning(list(embeds), 1.0)
        told.guidance_scales.copy_(torch.stack(scales))
        return ours.denoise(torch.cat(latents), torch.stack(timesteps), told)

    with torch.inference_mode():
        one = row(1, "a red apple", 900.0, 3.5)
        others = [row(2, "a fox", 123.4, 1.0), row(3, "rain over the sea", 999.0, 7.0)]
        first, second = (forward(one, other)[0] for other in others)
        assert torch.equal(first, second)
        first, second = (forward(other, one)[1] for other in others)
        assert torch.equal(first, second)


def test_who_is_told_the_guidance_scale(sd3: Pair, flux: Pair, guided_flux: Pair) -> None:
    assert [pair.ours.embeds_guidance for pair in (sd3, flux, guided_flux)] == [False, False, True]
    with torch.inference_mode():
        noise = guided_flux.ours.prepare_latents(HEIGHT, WIDTH, torch.Generator().manual_seed(7))
        little, much = (plain(guided_flux.ours, scale)(noise, torch.tensor(500.0)) for scale in (1.0, 7.0))
    assert not torch.equal(little, much)


def test_every_prompt_has_one_length_and_says_what_was_cut(sd3: Pair, sd3_without_t5: Pair, flux: Pair) -> None:
    def read(pair: Pair, prompt: str) -> tuple[int, int, int]:
        embeds = pair.ours.encode_prompt(prompt, negative=False)
        return embeds.prompt_embeds.shape[1], embeds.num_tokens, embeds.num_tokens_used

    for prompt, num_tokens in (("fox", 5), ("b" * 40, 42)):
        assert read(sd3, prompt) == (TOKENS + LONG_TOKENS, num_tokens, min(num_tokens, LONG_TOKENS))
        assert read(sd3_without_t5, prompt) == (TOKENS + 256, num_tokens, min(num_tokens, TOKENS))
        assert read(flux, prompt) == (LONG_TOKENS, num_tokens, min(num_tokens, LONG_TOKENS))


def test_packing_equals_that_of_flux_pipeline() -> None:
    latents = torch.randn(2, 4, 8, 12)
    assert torch.equal(packed(latents), FluxPipeline._pack_latents(latents, 2, 4, 8, 12))
    assert torch.equal(unpacked(packed(latents), 8, 12), latents)
    expected = FluxPipeline._prepare_latent_image_ids(1, 4, 6, torch.device("cpu"), torch.float32)
    assert torch.equal(positions(8, 12), expected)


@pytest.mark.parametrize("model", ["sd3", "flux"])
def test_sizes_that_do_not_fit_into_patches(request: pytest.FixtureRequest, model: str) -> None:
    ours: StepwisePipeline = request.getfixturevalue(model).ours
    with pytest.raises(LimitExceeded, match="multiple of 16") as caught:
        ours.prepare_latents(64, 72, torch.Generator())
    assert caught.value.field == "width"


def test_sizes_beyond_the_positions_that_sd3_knows(sd3: Pair) -> None:
    assert sd3.ours.prepare_latents(128, 64, torch.Generator()).shape == (1, 4, 16, 8)
    with pytest.raises(LimitExceeded, match="at most 128"):
        sd3.ours.prepare_latents(144, 64, torch.Generator())
