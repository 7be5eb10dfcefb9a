"""Words that requests bring along are read as diffusers reads words that were added to its tokenizer and encoder."""

from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from contract.errors import AdapterMismatch
from tests.tiny_models import build_embedded_layout
from tests.tiny_parts import TOKENS
from tests.worker.engines import cpu_pipeline
from tests.worker.oracles import oracle
from worker.lexicon import Lexicon
from worker.prompt_cache import PromptCache
from worker.stepwise_pipeline import StepwisePipeline
from worker.textual_inversion import MAX_VECTORS, Inversion, read_inversions

WIDTH = 32
WORD, LONG_WORD = "<icon>", "<style-2>"


def vectors(number: int, seed: int, width: int = WIDTH) -> Tensor:
    return torch.randn(number, width, generator=torch.Generator().manual_seed(seed))


def content(**entries: Tensor) -> bytes:
    return safetensors.torch.save({name: values.clone() for name, values in entries.items()})


SHORT, LONG = vectors(1, 0), vectors(3, 1)
BOTH = (*read_inversions(content(**{WORD: SHORT[0]}), "x"), *read_inversions(content(**{LONG_WORD: LONG}), "x"))
PROMPTS = st.lists(st.sampled_from([WORD, LONG_WORD, " ", "a", "Red", ", ", "fox", "(", "<"]), max_size=12).map("".join)


def encoded(reader: StepwisePipeline, prompt: str, *inversions: Inversion, weighted: bool = False) -> Tensor:
    lexicon = Lexicon("weighted" if weighted else "plain", inversions)
    return reader.encode_prompt(prompt, negative=False, lexicon=lexicon).prompt_embeds


@pytest.fixture(scope="module")
def theirs(epsilon_folder: Path) -> Any:
    theirs = oracle(StableDiffusionPipeline, epsilon_folder)
    theirs.load_textual_inversion({WORD: SHORT})
    theirs.load_textual_inversion({LONG_WORD: LONG})
    return theirs


@given(prompt=PROMPTS)
@settings(deadline=None, max_examples=100)
def test_states_equal_those_of_diffusers(pipeline: StepwisePipeline, theirs: Any, prompt: str) -> None:
    expected, _ = theirs.encode_prompt(prompt, "cpu", 1, False)
    assert torch.equal(encoded(pipeline, prompt, *BOTH), expected)


def test_states_and_summary_equal_those_of_diffusers_for_xl(xl_folder: Path) -> None:
    theirs = oracle(StableDiffusionXLPipeline, xl_folder)
    parts = {"clip_l": vectors(2, 2), "clip_g": vectors(2, 3)}
    for part, number in (("clip_l", ""), ("clip_g", "_2")):
        tokenizer, encoder = (getattr(theirs, f"{name}{number}") for name in ("tokenizer", "text_encoder"))
        theirs.load_textual_inversion({WORD: parts[part]}, tokenizer=tokenizer, text_encoder=encoder)
    expected, _, pooled, _ = theirs.encode_prompt(f"a {WORD} fox", do_classifier_free_guidance=False)
    ours = cpu_pipeline(xl_folder, "stable_diffusion_xl")
    lexicon = Lexicon(inversions=read_inversions(content(**parts), WORD))
    found = ours.encode_prompt(f"a {WORD} fox", negative=False, lexicon=lexicon)
    assert torch.equal(found.prompt_embeds, expected)
    assert found.pooled_prompt_embeds is not None
    assert torch.equal(found.pooled_prompt_embeds, pooled)


def test_requests_without_the_word_do_not_notice(pipeline: StepwisePipeline) -> None:
    before = encoded(pipeline, f"a {WORD} fox")
    with_word = encoded(pipeline, f"a {WORD} fox", *BOTH)
    assert not torch.equal(with_word, before)
    assert torch.equal(encoded(pipeline, f"a {WORD} fox"), before)
    assert torch.equal(encoded(pipeline, "a fox", *BOTH), encoded(pipeline, "a fox"))


def test_bert_reads_them_too(tmp_path: Path) -> None:
    build_embedded_layout(tmp_path)
    ours = cpu_pipeline(tmp_path)
    embedding = ours.readers[0].text_encoder.get_input_embeddings().weight  # type: ignore[attr-defined]
    known = ours.readers[0].tokenizer("fox", add_special_tokens=False).input_ids  # type: ignore[attr-defined]
    (word,) = read_inversions(content(**{"<Zorro>": embedding[known]}), "x")
    assert torch.equal(encoded(ours, "a red <ZORRO>", word), encoded(ours, "a red fox"))


def test_a_word_of_known_vectors_is_the_known_word(pipeline: StepwisePipeline) -> None:
    embedding = pipeline.readers[0].text_encoder.get_input_embeddings().weight  # type: ignore[attr-defined]
    known = pipeline.readers[0].tokenizer("fox", add_special_tokens=False).input_ids  # type: ignore[attr-defined]
    (word,) = read_inversions(content(emb_params=embedding[known]), WORD)
    for prompt in ("a {} in (snow:1.3)", "a ({}:1.4), red", "{} {}"):
        expected = encoded(pipeline, prompt.replace("{}", "fox"), weighted=True)
        assert torch.equal(encoded(pipeline, prompt.replace("{}", WORD), word, weighted=True), expected)


def test_the_weight_of_a_word_is_as_if_the_prompt_said_it(pipeline: StepwisePipeline) -> None:
    (usual,) = read_inversions(content(**{WORD: LONG}), "x")
    (strong,) = read_inversions(content(**{WORD: LONG}), "x", weight=1.5)
    expected = encoded(pipeline, f"a ({WORD}:1.5) fox", usual, weighted=True)
    assert torch.equal(encoded(pipeline, f"a {WORD} fox", strong), expected)


def test_a_word_is_not_torn_apart_between_chunks(pipeline: StepwisePipeline) -> None:
    (word,) = read_inversions(content(**{WORD: LONG}), "x")
    front = " ".join("a" * (TOKENS - 4))
    first, second = encoded(pipeline, f"{front} {WORD} b", word, weighted=True).split(TOKENS, dim=1)
    assert torch.equal(first, encoded(pipeline, front))
    assert torch.equal(second, encoded(pipeline, f"{WORD} b", word))


def test_prompts_are_remembered_with_their_words(pipeline: StepwisePipeline) -> None:
    cache = PromptCache()
    files = [content(**{WORD: vectors(1, seed)}) for seed in (4, 5)]
    lexicons = [
        Lexicon(inversions=read_inversions(file, "x", weight=weight)) for file in files for weight in (1.0, 0.5)
    ]
    found = [cache.encode_prompt(pipeline, WORD, negative=False, lexicon=one) for one in lexicons]
    assert len({embeds.prompt_embeds.numpy().tobytes() for embeds in found}) == 4
    again = Lexicon(inversions=read_inversions(files[0], "x"))
    assert cache.encode_prompt(pipeline, WORD, negative=False, lexicon=again) is found[0]


@pytest.mark.parametrize(
    ("entries", "tokens"),
    [
        ({WORD: SHORT}, [WORD]),
        ({WORD: SHORT[0], LONG_WORD: LONG}, [WORD, LONG_WORD]),
        ({"emb_params": LONG}, ["name"]),
        ({"string_to_param.*": LONG}, ["name"]),
        ({"clip_l": LONG, "clip_g": vectors(3, 2, 64)}, ["name"]),
    ],
    ids=" ".join,
)
def test_every_layout_is_read(entries: dict[str, Tensor], tokens: list[str]) -> None:
    found = read_inversions(content(**entries), "name")
    assert sorted(inversion.token for inversion in found) == sorted(tokens)
    expected = {key: value if value.dim() == 2 else value[None] for key, value in entries.items()}
    for inversion in found:
        wanted = [expected[inversion.token]] if inversion.token in expected else list(expected.values())
        assert all(torch.equal(*pair) for pair in zip(inversion.vectors, wanted, strict=True))


@pytest.mark.parametrize(
    "file",
    [
        b"",
        b"PK\x03\x04 a pickle in a zip",
        content(),
        content(**{WORD: vectors(2, 0)[None]}),
        content(**{WORD: torch.zeros(0, WIDTH)}),
        content(**{WORD: torch.zeros(MAX_VECTORS + 1, WIDTH)}),
        content(**{WORD: torch.full((1, WIDTH), torch.nan)}),
        content(**{WORD: torch.ones(1, WIDTH, dtype=torch.int64)}),
        content(**{" ": SHORT}),
        content(**{"emb_params": SHORT, "string_to_param": SHORT}),
        content(clip_l=vectors(2, 0), clip_g=vectors(3, 0)),
    ],
)
def test_files_that_teach_no_word_are_refused(file: bytes) -> None:
    with pytest.raises(AdapterMismatch) as caught:
        read_inversions(file, "name")
    assert caught.value.field == "adapters"


@pytest.mark.parametrize(
    "inversions",
    [
        read_inversions(content(**{WORD: vectors(1, 0, 64)}), "x"),
        read_inversions(content(clip_l=SHORT, clip_g=SHORT), WORD),
        (BOTH[0], BOTH[0]),
    ],
    ids=["another width", "two encoders", "twice"],
)
def test_words_for_other_encoders_are_refused(pipeline: StepwisePipeline, inversions: tuple[Inversion, ...]) -> None:
    with pytest.raises(AdapterMismatch) as caught:
        encoded(pipeline, "a fox", *inversions)
    assert caught.value.field == "adapters"


def test_families_without_them_say_so(flux_folder: Path) -> None:
    with pytest.raises(AdapterMismatch):
        encoded(cpu_pipeline(flux_folder, "flux"), f"a {WORD}", *BOTH)
