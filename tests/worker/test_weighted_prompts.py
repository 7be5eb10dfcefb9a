"""Words count what was asked, long prompts are read in chunks, and prompts without either are what they were."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from torch import Tensor

from contract.catalogue import Family
from contract.errors import UnsupportedPromptSyntax
from contract.prompt_syntax import MAX_SEGMENTS
from tests.tiny_models import build_embedded_layout
from tests.tiny_parts import TOKENS
from tests.worker.engines import RecordsLatents, alone, asked, cpu_pipeline, engine_of, pictures, run
from tests.worker.oracles import oracle, replaced_scheduler
from worker.emphasis import weighted as moved_from_nothing
from worker.lexicon import PLAIN, Lexicon
from worker.prompt_cache import PromptCache, Wanted
from worker.stepwise_pipeline import PromptEmbeds, StepwisePipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

WEIGHTED = Lexicon("weighted")
LONG = " ".join("abcdefghijklmnopqrstuvwxyz")
CAPACITY = TOKENS - 2
SYNTAX = "weighted"


@pytest.fixture(scope="module")
def embedded_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded_layout")
    build_embedded_layout(folder)
    return folder


@pytest.fixture(scope="module", params=["epsilon_folder", "xl_folder", "embedded_folder"])
def reader(request: pytest.FixtureRequest) -> StepwisePipeline:
    """CLIP alone, two of them, and BERT."""
    family: Family = "stable_diffusion_xl" if request.param == "xl_folder" else "stable_diffusion"
    return cpu_pipeline(request.getfixturevalue(request.param), family)


def weighted(reader: StepwisePipeline, prompt: str) -> PromptEmbeds:
    return reader.encode_prompt(prompt, negative=False, lexicon=WEIGHTED)


def plain(reader: StepwisePipeline, prompt: str) -> PromptEmbeds:
    return reader.encode_prompt(prompt, negative=False)


def assert_same(one: PromptEmbeds, other: PromptEmbeds) -> None:
    assert torch.equal(one.prompt_embeds, other.prompt_embeds)
    assert (one.pooled_prompt_embeds is None) == (other.pooled_prompt_embeds is None)
    if one.pooled_prompt_embeds is not None and other.pooled_prompt_embeds is not None:
        assert torch.equal(one.pooled_prompt_embeds, other.pooled_prompt_embeds)


@pytest.mark.parametrize(
    ("prompt", "same"),
    [
        ("a red fox", "a red fox"),
        ("a (red:1) fox", "a red fox"),
        ("a (re:1)d (fox:1.0)", "a red fox"),
        (r"a \(red\) fox", "a (red) fox"),
        ("", ""),
        ("()", ""),
    ],
)
def test_words_that_count_1_have_the_bits_of_plain_ones(reader: StepwisePipeline, prompt: str, same: str) -> None:
    assert_same(weighted(reader, prompt), plain(reader, same))


def test_only_the_weighted_word_moves_and_on_the_line_from_nothing(reader: StepwisePipeline) -> None:
    empty, usual = plain(reader, "").prompt_embeds, plain(reader, "a b c").prompt_embeds
    for weight in (0.0, 0.5, 1.3, 10.0):
        moved = weighted(reader, f"a (b:{weight}) c")
        changed = (moved.prompt_embeds != usual).any(dim=-1)[0]
        assert changed.nonzero().flatten().tolist() == [2]  # behind the start and "a"
        assert torch.allclose(moved.prompt_embeds[0, 2], torch.lerp(empty, usual, weight)[0, 2], atol=1e-5)
        assert_same(PromptEmbeds(usual, moved.pooled_prompt_embeds, 0, 0), plain(reader, "a b c"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_in_any_number_format_words_of_weight_1_keep_their_bits(dtype: torch.dtype) -> None:
    states, empty = torch.randn(2, 1, 4, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    moved = moved_from_nothing(states, empty, torch.tensor([1.0, 0.0, 1.5, 1.0]))
    assert moved.dtype == dtype
    assert torch.equal(moved[:, [0, 3]], states[:, [0, 3]])
    assert torch.equal(moved[:, 1], empty[:, 1])
    assert torch.allclose(moved[:, 2].float(), torch.lerp(empty[:, 2].float(), states[:, 2].float(), 1.5), rtol=0.01)


def test_brackets_in_plain_prompts_are_read(reader: StepwisePipeline) -> None:
    assert not torch.equal(plain(reader, "a (b:1.3)").prompt_embeds, plain(reader, "a b").prompt_embeds)
    assert_same(plain(reader, "a (b:1.3)"), weighted(reader, r"a \(b:1.3\)"))


def chunks(embeds: PromptEmbeds) -> Sequence[Tensor]:
    return embeds.prompt_embeds.split(TOKENS, dim=1)


def test_chunks_are_read_as_they_would_be_alone(reader: StepwisePipeline) -> None:
    words = LONG.split()
    parts = [" ".join(words[:CAPACITY]), " ".join(words[CAPACITY:])]
    for prompt in (LONG, " BREAK ".join(parts), "BREAK".join(f"({part}:1)" for part in parts)):
        found = weighted(reader, prompt)
        assert len(chunks(found)) == 2
        for chunk, part in zip(chunks(found), parts, strict=True):
            assert torch.equal(chunk, plain(reader, part).prompt_embeds)
        assert_same(PromptEmbeds(chunks(found)[0], found.pooled_prompt_embeds, 0, 0), plain(reader, parts[0]))


def test_weights_reach_over_chunks(reader: StepwisePipeline) -> None:
    words = LONG.split()
    found = weighted(reader, f"({LONG}:1.5)")
    for chunk, part in zip(chunks(found), (words[:CAPACITY], words[CAPACITY:]), strict=True):
        assert torch.equal(chunk, weighted(reader, f"({' '.join(part)}:1.5)").prompt_embeds)


def test_a_phrase_behind_a_comma_is_not_torn_apart(reader: StepwisePipeline) -> None:
    found = weighted(reader, "a b c d e f g h i j, k l m n o p")
    parts = ["a b c d e f g h i j,", "k l m n o p"]
    for chunk, part in zip(chunks(found), parts, strict=True):
        assert torch.equal(chunk, plain(reader, part).prompt_embeds)


def test_a_comma_ends_a_full_chunk_rather_than_to_begin_one(reader: StepwisePipeline) -> None:
    full = " ".join(LONG.split()[:CAPACITY])
    found = weighted(reader, f"{full}, z")
    for chunk, part in zip(chunks(found), [full, ", z"], strict=True):
        assert torch.equal(chunk, plain(reader, part).prompt_embeds)


def test_plain_prompts_are_cut_and_weighted_ones_are_not(pipeline: StepwisePipeline) -> None:
    engine = engine_of(pipeline)
    (warning,) = engine.add("plain", asked(prompt=LONG))
    assert warning == f"prompt was cut: the model read {TOKENS} of its 28 tokens."
    assert engine.add("weighted", asked(prompt=LONG, negative_prompt=LONG, prompt_syntax=SYNTAX)) == ()


def test_what_no_chunk_is_left_for_is_a_warning(pipeline: StepwisePipeline) -> None:
    prompt = " ".join("a" * (MAX_SEGMENTS * CAPACITY + 5))
    (warning,) = engine_of(pipeline).add("long", asked(prompt=prompt, prompt_syntax=SYNTAX))
    read = MAX_SEGMENTS * CAPACITY + 2
    assert warning == f"prompt was cut: the model read {read} of its {read + 5} tokens."


def test_the_prompts_of_one_image_are_equally_long(reader: StepwisePipeline) -> None:
    for negative in ("", "a leaf"):
        prompts = [Wanted(negative, negative=True), Wanted(f"{LONG} BREAK {LONG}", negative=False)]
        short, long = PromptCache().encode_prompts(reader, prompts, WEIGHTED)
        assert short.prompt_embeds.shape == long.prompt_embeds.shape == (1, 4 * TOKENS, long.prompt_embeds.shape[2])
        filler = reader.encode_prompt("", negative=not negative).prompt_embeds
        first, *others = chunks(short)
        assert torch.equal(first, reader.encode_prompt(negative, negative=True).prompt_embeds)
        assert all(torch.equal(other, filler) for other in others)


def test_prompts_are_remembered_with_their_syntax_and_length(pipeline: StepwisePipeline) -> None:
    cache = PromptCache()
    bracketed = [cache.encode_prompt(pipeline, "(a)", negative=False, lexicon=one) for one in (PLAIN, WEIGHTED)]
    assert not torch.equal(bracketed[0].prompt_embeds, bracketed[1].prompt_embeds)
    prompts = [Wanted("", negative=True), Wanted(LONG, negative=False)]
    once, again = (cache.encode_prompts(pipeline, prompts, WEIGHTED) for _ in range(2))
    assert all(one is other for one, other in zip(once, again, strict=True))
    (short,) = cache.encode_prompts(pipeline, prompts[:1], WEIGHTED)
    assert short.prompt_embeds.shape[1] == TOKENS


def test_latents_equal_those_of_diffusers_with_these_embeds(pipeline: StepwisePipeline, epsilon_folder: Path) -> None:
    theirs: Any = oracle(StableDiffusionPipeline, epsilon_folder)
    request = asked(prompt=f"(a red:1.4) fox, {LONG}", negative_prompt="[a leaf]", prompt_syntax=SYNTAX)
    prompts = [Wanted(request.negative_prompt, negative=True), Wanted(request.prompt, negative=False)]
    negative, positive = PromptCache().encode_prompts(pipeline, prompts, WEIGHTED)
    with replaced_scheduler(theirs, EulerDiscreteScheduler.from_config(theirs.scheduler.config)):
        expected = theirs(
            prompt_embeds=positive.prompt_embeds,
            negative_prompt_embeds=negative.prompt_embeds,
            num_inference_steps=request.num_inference_steps,
            guidance_scale=request.guidance_scale,
            height=64,
            width=64,
            generator=torch.Generator().manual_seed(request.seed),
            output_type="latent",
        ).images
    recording = RecordsLatents(pipeline)
    alone(recording, request)
    assert torch.equal(recording.decoded[0], expected)


def test_company_changes_no_bit(pipeline: StepwisePipeline) -> None:
    requests = [
        asked(prompt="a (red:1.5) fox", prompt_syntax=SYNTAX, seed=1),
        asked(prompt="a (red:1.5) fox", seed=2),
        asked(prompt=f"a fox, {LONG}", negative_prompt="[leaf]", prompt_syntax=SYNTAX, seed=3, scheduler="dpmpp_2m"),
        asked(prompt=f"({LONG}:0.7) BREAK a fox", prompt_syntax=SYNTAX, seed=4, num_inference_steps=3),
        asked(prompt="[fox]", prompt_syntax=SYNTAX, guidance_scale=1.0, seed=5),
        asked(prompt=f"(fox:2), {LONG}", prompt_syntax=SYNTAX, seed=6),
    ]
    engine = engine_of(pipeline, 4)
    for index, request in enumerate(requests):
        engine.add(str(index), request)
    together = pictures(run(engine))
    for index, request in enumerate(requests):
        assert np.array_equal(together[str(index)], alone(pipeline, request, 4)), request.prompt


@pytest.mark.parametrize(
    ("folder", "family"), [("sd3_folder", "stable_diffusion_3"), ("flux_folder", "flux")], ids=["sd3", "flux"]
)
def test_other_families_refuse_weights(request: pytest.FixtureRequest, folder: str, family: Family) -> None:
    ours = cpu_pipeline(request.getfixturevalue(folder), family)
    with pytest.raises(UnsupportedPromptSyntax) as caught:
        ours.encode_prompt("a fox", negative=False, lexicon=WEIGHTED)
    assert caught.value.field == "prompt_syntax"
