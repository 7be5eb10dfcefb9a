"""Tokens in chunks: for a plain prompt, exactly those that the tokenizer gives; for others, all of them in order."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer, CLIPTokenizer, PreTrainedTokenizerBase

from contract.prompt_syntax import MAX_SEGMENTS
from tests.tiny_parts import TOKENS, bert_vocabulary, tokenizer, vocabulary
from worker.chunks import Frame, chunked, frame_of
from worker.lexicon import PLAIN, Lexicon

WEIGHTED = Lexicon("weighted")
TOKENIZERS = {
    "CLIP": tokenizer(),
    "CLIP, padded with !": CLIPTokenizer(vocab=vocabulary(), merges=[], model_max_length=TOKENS, pad_token="!"),
    "BERT": BertTokenizer(vocab=bert_vocabulary(), model_max_length=TOKENS),
}
WORDS = st.lists(st.sampled_from(["a", "bc", ",", "d, e", "fgh"]), max_size=40).map(" ".join)


@pytest.fixture(params=TOKENIZERS, scope="module")
def reads(request: pytest.FixtureRequest) -> tuple[PreTrainedTokenizerBase, Frame]:
    return TOKENIZERS[request.param], frame_of(TOKENIZERS[request.param], TOKENS)


@given(prompt=st.text() | WORDS)
@settings(deadline=None)
def test_a_plain_prompt_has_the_tokenizers_own_tokens(
    reads: tuple[PreTrainedTokenizerBase, Frame], prompt: str
) -> None:
    theirs, frame = reads
    expected = theirs(prompt, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt")
    found = chunked(theirs, frame, prompt, PLAIN, 0)
    (chunk,) = found.chunks
    assert frame.input_ids(chunk).tolist() == expected.input_ids.tolist()
    assert frame.attention_mask(chunk).tolist() == expected.attention_mask.tolist()
    assert found.num_tokens == len(theirs(prompt, verbose=False).input_ids)
    assert found.num_tokens_used == min(found.num_tokens, TOKENS)


@given(prompt=WORDS)
@settings(deadline=None)
def test_chunks_lose_nothing_and_fit(reads: tuple[PreTrainedTokenizerBase, Frame], prompt: str) -> None:
    theirs, frame = reads
    found = chunked(theirs, frame, prompt, WEIGHTED, 0)
    ids = theirs(prompt, add_special_tokens=False, verbose=False).input_ids
    assert all(len(chunk) <= frame.capacity for chunk in found.chunks)
    read = [token.id for chunk in found.chunks for token in chunk]
    assert read == ids[: len(read)]
    assert read == ids or len(found.chunks) == MAX_SEGMENTS
    assert (found.num_tokens, found.num_tokens_used) == (len(ids) + 2, len(read) + 2)


@given(prompt=WORDS, weight=st.floats(0, 10))
@settings(deadline=None)
def test_every_token_counts_what_its_words_do(
    reads: tuple[PreTrainedTokenizerBase, Frame], prompt: str, weight: float
) -> None:
    theirs, frame = reads
    found = chunked(theirs, frame, f"({prompt}:{weight:.9f})", WEIGHTED, 0)
    for chunk in found.chunks:
        weights = frame.weights(chunk)
        assert {token.weight for token in chunk} <= {float(f"{weight:.9f}")}
        assert weights[0] == 1
        assert (weights[len(chunk) + 1 :] == 1).all()
