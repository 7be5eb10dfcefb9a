"""`python -m tests.dialects.compatibility`: writes docs/compatibility.md from the marks of tests, without running them.

A mark says what a dialect makes of one parameter of one operation, and its test shows it:
`@pytest.mark.compat(operation, parameter, how, remark)`. An operation is named as "GET /v1/models"; a parameter is one
of the query, a header, a property of a JSON body, or a part of a form; what is inside of an object is "outer.inner".
The parameter of an operation that has none is "-".
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "dialects"
PAGE = ROOT / "docs" / "compatibility.md"

NONE = "-"
"""Stands for the parameters of an operation that has none."""

HOW = ("exact", "mapped", "refused")

HEAD = """\
# Compatibility

What every parameter of the dialects becomes, and the test that shows it. `python -m tests.dialects.compatibility`
writes this page from the marks of the tests; a test fails where it is not what they say, or where a parameter has none.

- *exact*: it means what it means there.
- *mapped*: it becomes what comes nearest, as the remark says.
- *refused*: it is answered with an error that names it, unless it asks for what is done anyway.
"""


class Shown(NamedTuple):
    """What a test shows of a parameter. `test` is its path from the root, and its name behind that."""

    operation: str
    parameter: str
    how: str
    remark: str
    test: str

    @property
    def order(self) -> tuple[str, ...]:
        """Operations by path, and parameters by name."""
        method, _, path = self.operation.partition(" ")
        return path, method, self.parameter, self.how, self.remark, self.test


class Marks:
    """Notes the marks of all tests that pytest collects."""

    def __init__(self) -> None:
        self.shown: set[Shown] = set()

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        """Called by pytest when all is collected."""
        self.shown.update(_shown(mark, item) for item in items for mark in item.iter_markers("compat"))


def _shown(mark: pytest.Mark, item: pytest.Item) -> Shown:
    """Raises: pytest.UsageError."""
    test = f"{item.path.relative_to(item.config.rootpath)}::{getattr(item, 'originalname', item.name)}"
    if mark.kwargs or len(mark.args) != len(Shown._fields) - 1 or mark.args[2] not in HOW:
        raise pytest.UsageError(f"{test}: compat takes operation, parameter, one of {', '.join(HOW)}, and a remark")
    return Shown(*mark.args, test)


def collected(folder: Path, root: Path) -> list[Shown]:
    """What the tests in a folder show. Raises: SystemExit, when they cannot be collected."""
    marks = Marks()
    options = ["--collect-only", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(root)]
    with contextlib.redirect_stdout(sys.stderr):
        status = pytest.main([*options, "-q", str(folder)], plugins=[marks])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        sys.exit(int(status))
    return sorted(marks.shown, key=lambda shown: shown.order)


def page(shown: Iterable[Shown]) -> str:
    """The page: one table an operation, and at its end where the tests are."""
    rows = list(shown)
    files = sorted({_file(row) for row in rows})
    names = {file: f"t{place}" for place, file in enumerate(files)}
    tables = ["\n".join(_table(name, list(each), names)) for name, each in groupby(rows, lambda each: each.operation)]
    links = "\n".join(f"[{name}]: {os.path.relpath(ROOT / file, PAGE.parent)}" for file, name in names.items())
    return "\n".join([HEAD, *(f"{table}\n" for table in tables), f"{links}\n"])


def _table(operation: str, rows: Sequence[Shown], names: Mapping[str, str]) -> Iterator[str]:
    """`names` says by which name the page links to a file of tests."""
    yield from (f"## `{operation}`", "", "| parameter | | remark | test |", "|---|---|---|---|")
    for row in rows:
        parameter = "none" if row.parameter == NONE else f"`{row.parameter}`"
        test = row.test.partition("::")[2].removeprefix("test_")
        yield f"| {parameter} | {row.how} | {_cell(row.remark)} | [{test}][{names[_file(row)]}] |"


def _file(row: Shown) -> str:
    return row.test.partition("::")[0]


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Writes the page, or, for other programs, what is shown as JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.dialects.compatibility", description="Writes the page.")
    parser.add_argument("--json", action="store_true", help="print what is shown instead")
    parser.add_argument("--tests", type=Path, default=TESTS, help="the folder to collect")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that tests are named from")
    asked = parser.parse_args()
    shown = collected(asked.tests, asked.root)
    if asked.json:
        sys.stdout.write(json.dumps(shown))
    else:
        PAGE.write_text(page(shown))


if __name__ == "__main__":
    main()
