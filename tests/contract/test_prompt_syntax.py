"""Brackets weigh words as AUTOMATIC1111's users expect, and what is parsed can be written down again."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import MalformedPrompt
from contract.prompt_syntax import MAX_SEGMENTS, Run, Segment, parse, render

PLAIN_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\\()[]|<")).filter(
    lambda text: "BREAK" not in text and "AND" not in text
)
MARKED_TEXT = st.lists(
    st.sampled_from(["a", "B", "D", " ", "\n", "(", ")", "[", "]", ":", "\\", "|", "<lora:", "1.3", "0", ":2)", ":.5)"])
    | st.sampled_from(["BREAK", " BREAK ", "AND", "REAK", "ND"])
).map("".join)


def segments_or_none(prompt: str) -> tuple[Segment, ...] | None:
    try:
        return parse(prompt)
    except MalformedPrompt:
        return None


@given(PLAIN_TEXT.filter(bool))
def test_text_without_brackets_is_one_run_of_weight_1(text: str) -> None:
    assert parse(text) == ((Run(text, 1.0),),)


@given(MARKED_TEXT)
def test_what_is_rendered_is_parsed_to_the_same(prompt: str) -> None:
    segments = segments_or_none(prompt)
    if segments is not None:
        assert parse(render(segments)) == segments


@given(st.lists(st.lists(st.tuples(st.text(min_size=1), st.floats(0, 10)), max_size=4), min_size=1, max_size=4))
def test_any_text_can_be_given_any_weight(runs: list[list[tuple[str, float]]]) -> None:
    segments = tuple(tuple(Run(*run) for run in segment) for segment in runs)
    again = parse(render(segments))
    assert [characters(segment) for segment in again] == [characters(segment) for segment in without_last(segments)]


def characters(segment: Segment) -> list[tuple[str, float]]:
    return [(character, run.weight) for run in segment for character in run.text]


def without_last(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
    """A BREAK that nothing follows divides nothing."""
    while len(segments) > 1 and not segments[-1]:
        segments = segments[:-1]
    return segments


@dataclass
class Bracketed:
    """Parts in brackets, and by what their weights are multiplied."""

    before: str
    parts: "list[str | Bracketed]"
    after: str
    factor: float


TREES: st.SearchStrategy[str | Bracketed] = st.recursive(
    st.text("abc ,", min_size=1),
    lambda parts: st.builds(
        lambda inside, kind: Bracketed(kind[0], inside, kind[1], kind[2]),
        st.lists(parts, min_size=1, max_size=3),
        st.sampled_from(
            [("(", ")", 1.1), ("[", "]", 1 / 1.1), ("(", ":1.3)", 1.3), ("(", ": 0.5 )", 0.5), ("(", ":0)", 0)]
        ),
    ),
)


def written(tree: str | Bracketed) -> str:
    return tree if isinstance(tree, str) else tree.before + "".join(map(written, tree.parts)) + tree.after


def expected(tree: str | Bracketed, weight: float = 1.0) -> list[tuple[str, float]]:
    if isinstance(tree, str):
        return [(character, weight) for character in tree]
    return [pair for part in tree.parts for pair in expected(part, weight * tree.factor)]


@given(st.lists(TREES, min_size=1, max_size=4))
def test_nested_brackets_multiply(trees: list[str | Bracketed]) -> None:
    wanted = [pair for tree in trees for pair in expected(tree)]
    if all(weight <= 10 for _, weight in wanted):
        found = characters(parse("".join(map(written, trees)))[0])
        assert [character for character, _ in found] == [character for character, _ in wanted]
        assert all(math.isclose(a, b, rel_tol=1e-9) for (_, a), (_, b) in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("prompt", "runs"),
    [
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("un)balanced]", [("un)balanced]", 1)]),
        ("[a (b", [("a ", 1 / 1.1), ("b", 1.1 / 1.1)]),
        (r"\(literal\]", [("(literal]", 1)]),
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("a (b:c", [("a ", 1), ("b:c", 1.1)]),
        ("(b:c)", [("b:c", 1.1)]),
        ("b:1.3)", [("b:1.3)", 1)]),
        (r"(b\:1.3)", [("b:1.3", 1.1)]),
        ("a (b:1) c", [("a b c", 1)]),
        (r"C:\\dir\x", [(r"C:\dirx", 1)]),
        ("a|b <fox> :)", [("a|b <fox> :)", 1)]),
        ("()", []),
        ("", []),
    ],
)
def test_it_reads_as_automatic1111_does(prompt: str, runs: list[tuple[str, float]]) -> None:
    (segment,) = parse(prompt)
    assert [run.text for run in segment] == [text for text, _ in runs]
    assert [run.weight for run in segment] == pytest.approx([weight for _, weight in runs])


def test_its_own_longest_example() -> None:
    (segment,) = parse("a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).")
    texts = ["a ", "house", " ", "on", " a ", "hill", ", sun, ", "sky", "."]
    weights = [1.0, 1.5730000000000004, 1.1, 1.0, 1.1, 0.55, 1.1, 1.4641000000000006, 1.1]
    assert [run.text for run in segment] == texts
    assert [run.weight for run in segment] == pytest.approx(weights, rel=1e-15)


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [
        ("a BREAK b", ["a", "b"]),
        ("a\n BREAK\nb", ["a", "b"]),
        ("BREAK b", ["", "b"]),
        ("a BREAK BREAK b", ["a", "", "b"]),
        ("a BREAK", ["a"]),
        ("a BREAK BREAK", ["a"]),
        (r"a \BREAK b", ["a BREAK b"]),
        ("BREAKFAST DAYBREAK", ["BREAKFAST DAYBREAK"]),
    ],
)
def test_break_divides(prompt: str, texts: list[str]) -> None:
    assert ["".join(run.text for run in segment) for segment in parse(prompt)] == texts


def test_break_divides_within_brackets() -> None:
    assert parse("(a BREAK b:2)") == ((Run("a", 2.0),), (Run("b", 2.0),))


@pytest.mark.parametrize(
    "prompt",
    [
        "(a:11)",
        "(a:-1)",
        "(a:nan)",
        "(a:NaN)",
        "(a:inf)",
        "(a:1e9)",
        "(a:1.2.3)",
        "(a:.)",
        "(" * 30 + "a",
        "[" * 65 + "a",
        "((a:9):9)",
        " BREAK ".join("a" * (MAX_SEGMENTS + 1)),
        "[cat:dog:0.5]",
        "[cat:10]",
        "[cat|dog]",
        "salt AND pepper",
        "a fox <lora:ink:0.8>",
    ],
)
def test_what_cannot_be_followed_is_refused(prompt: str) -> None:
    with pytest.raises(MalformedPrompt) as caught:
        parse(prompt, field="negative_prompt")
    assert caught.value.field == "negative_prompt"
    assert caught.value.message.startswith("negative_prompt")


def test_a_backslash_makes_text_of_what_would_be_refused() -> None:
    prompt = r"[cat\:10] [cat\|dog] salt \AND pepper \<lora:ink:0.8>"
    assert "".join(run.text for run in parse(prompt)[0]) == "cat:10 cat|dog salt AND pepper <lora:ink:0.8>"
