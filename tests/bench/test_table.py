"""Figures beside their bounds."""

import json

import pytest

from bench.table import Measure, as_json, conclude, missed, report

FAST = Measure("poll, p99", 12.5, "ms", at_most=20)
SLOW = Measure("submits", 90, "/s", at_least=200)
FREE = Measure("memory", 2_097_152, "B")


def test_only_figures_outside_of_their_bounds_are_missed() -> None:
    assert missed([FAST, SLOW, FREE]) == [SLOW]
    assert missed([Measure("on the bound", 20, at_most=20, at_least=20)]) == []


def test_the_table_shows_figure_target_and_verdict() -> None:
    rows = report([FAST, SLOW, FREE]).splitlines()[2:]
    assert rows == [
        "| poll, p99 | 12.5 ms | ≤ 20 | yes |",
        "| submits | 90 /s | ≥ 200 | **no** |",
        "| memory | 2,097,152 B |  |  |",
    ]


def test_programs_read_the_same_figures() -> None:
    read = json.loads(as_json([FAST, FREE]))
    assert read["poll, p99"] == {"value": 12.5, "unit": "ms", "at_most": 20, "at_least": None, "met": True}
    assert read["memory"] == {"value": 2_097_152, "unit": "B"}


def test_a_miss_is_an_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    conclude([FAST])
    with pytest.raises(SystemExit, match="1"):
        conclude([SLOW])
    assert "**no**" in capsys.readouterr().out
