"""Stable Diffusion 3 and Flux: our verbs make what diffusers' own pipelines make, to the bit."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline, StableDiffusion3Pipeline
from huggingface_hub.utils import filter_repo_objects
from torch import Tensor

from contract.catalogue import Family, ModelSpec
from contract.errors import LimitExceeded, ModelUnavailable
from contract.request import Scheduler
from tests.tiny_models import build_flux, build_stable_diffusion_3
from tests.tiny_parts import LONG_TOKENS, TOKENS
from tests.worker.engines import RecordsLatents, asked, cpu_pipeline, engine_of, run
from worker.guidance import classifier_free
from worker.images import pixels_of
from worker.loading import HUB_FILES, HUB_VARIANTS
from worker.pipelines.flux import packed, positions, unpacked
from worker.stepwise_pipeline import Conditioning, PromptEmbeds, StepwisePipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

ROOT = Path(__file__).parents[2]
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
def sd3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sd3")
    build_stable_diffusion_3(folder)
    return folder


@pytest.fixture(scope="module")
def flux_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flux")
    build_flux(folder, guidance_embeds=False)
    return folder


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
    "flux, told": Case("guided_flux", plain, 3.5, {"guidance_scale": 3.5} | SHORT),
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


def test_t5_reads_no_more_than_in_the_pipeline(sd3_folder: Path, flux_folder: Path, tmp_path: Path) -> None:
    def num_tokens(folder: Path, family: Family, tokenizer: str) -> int:
        copy = Path(shutil.copytree(folder, tmp_path / family))
        edit_json(copy / tokenizer / "tokenizer_config.json", model_max_length=1000)
        return cpu_pipeline(copy, family).encode_prompt("fox", negative=False).prompt_embeds.shape[1]

    assert num_tokens(sd3_folder, "stable_diffusion_3", "tokenizer_3") == TOKENS + 256
    assert num_tokens(flux_folder, "flux", "tokenizer_2") == 512


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


def test_what_is_fetched_of_newer_families() -> None:
    wanted = [
        "model_index.json",
        "text_encoder_3/model-00001-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.json",
        "tokenizer_3/tokenizer.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
    ]
    unwanted = [
        "flux1-dev.safetensors",
        "text_encoder_3/model.fp16-00001-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.fp16.json",
        "transformer/diffusion_pytorch_model.bf16-00001-of-00003.safetensors",
    ]
    kept = filter_repo_objects([*wanted, *unwanted], allow_patterns=HUB_FILES, ignore_patterns=HUB_VARIANTS)
    assert list(kept) == wanted


def test_the_rows_of_the_readme_are_rows_of_a_catalogue() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    specs = [ModelSpec.model_validate(row) for block in blocks for row in tomllib.loads(block)["models"]]
    assert {spec.family for spec in specs} == {"stable_diffusion_xl", "flux", "diffusers"}


# ---- what is refused


def edit_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refusal(folder: Path, family: Family) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        cpu_pipeline(folder, family)
    return caught.value.message


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("transformer", ["diffusers", "FluxTransformer2DModel"]),
        ("text_encoder", ["transformers", "CLIPTextModel"]),
        ("text_encoder_3", ["transformers", "CLIPTextModel"]),
        ("tokenizer_3", ["somewhere", "Anything"]),
        ("vae", ["diffusers", "AutoencoderKLWan"]),
    ],
)
def test_parts_of_another_class(sd3_folder: Path, tmp_path: Path, part: str, found: list[str]) -> None:
    folder = Path(shutil.copytree(sd3_folder, tmp_path / "model"))
    edit_json(folder / "model_index.json", **{part: found})
    assert f"{part} = {found[1]!r}" in refusal(folder, "stable_diffusion_3")


@pytest.mark.parametrize("part", ["transformer/diffusion_pytorch_model", "text_encoder_2/model"])
def test_flux_is_read_from_safetensors_alone(flux_folder: Path, tmp_path: Path, part: str) -> None:
    folder = Path(shutil.copytree(flux_folder, tmp_path / "model"))
    weights = folder / f"{part}.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    message = refusal(folder, "flux")
    assert str(weights) in message
    assert "safetensors files only" in message


def test_a_folder_of_another_family(flux_folder: Path, sd3_folder: Path) -> None:
    assert "FluxPipeline" in refusal(flux_folder, "stable_diffusion_3")
    assert "StableDiffusion3Pipeline" in refusal(sd3_folder, "flux")
