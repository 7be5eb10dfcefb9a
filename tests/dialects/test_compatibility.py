"""docs/compatibility.md is what the tests' marks say now, and every parameter of the dialects has one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import pytest
from fastapi import FastAPI, File, Form, Header
from pydantic import BaseModel

from app.main import create_app
from app.settings import AppSettings
from tests.dialects.compatibility import PAGE, ROOT, TESTS, Shown, page
from tests.dialects.declared import dialects_operations, gaps, operations, parameters

TESTS_OF_OUR_OWN = """
import pytest

ASK = "POST /ask"

@pytest.mark.compat(ASK, "style", "refused", "There are no | styles.")
@pytest.mark.compat(ASK, "input.seed", "exact", "As here.")
def test_two(): ...

@pytest.mark.parametrize("word", ["a", pytest.param("b", marks=pytest.mark.compat(ASK, "Prefer", "mapped", "So."))])
def test_words(word): ...

@pytest.mark.compat("GET /ask", "-", "exact", "It answers.")
def test_none(): ...
"""


class Inner(BaseModel):
    seed: int


class Body(BaseModel):
    style: str
    input: Inner | None = None


def document_of_our_own() -> dict[str, object]:
    """Operations with every kind of parameter."""
    app = FastAPI()

    @app.post("/ask")
    def ask(body: Body, limit: int = 1, prefer: Annotated[str, Header(alias="Prefer")] = "") -> None: ...

    @app.post("/send/{place}")
    def send(place: str, picture: Annotated[bytes, File()], title: Annotated[str, Form()] = "") -> None: ...

    @app.get("/ask")
    def read() -> None: ...

    return app.openapi()


def collect(folder: Path, root: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.dialects.compatibility", "--json", "--tests", folder, "--root", root]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def shown_in(folder: Path, root: Path) -> list[Shown]:
    ran = collect(folder, root)
    assert ran.returncode == 0, ran.stderr
    return [Shown(*row) for row in json.loads(ran.stdout)]


@pytest.fixture(scope="module")
def shown() -> list[Shown]:
    """What the tests of the dialects show."""
    return shown_in(TESTS, ROOT)


def test_the_page_is_what_the_marks_say(shown: list[Shown]) -> None:
    assert PAGE.read_text() == page(shown), "run `python -m tests.dialects.compatibility`"


def test_every_parameter_of_the_dialects_is_shown_and_nothing_else(shown: list[Shown]) -> None:
    document = create_app(AppSettings(catalogue=ROOT / "models.toml")).openapi()
    found = gaps(document, dialects_operations(), {(row.operation, row.parameter) for row in shown})
    assert not found, "\n".join(found)


def test_marks_become_tables(tmp_path: Path) -> None:
    (tmp_path / "test_ask.py").write_text(TESTS_OF_OUR_OWN)
    written = page(shown_in(tmp_path, tmp_path))
    assert written.count("## ") == 2
    assert written.index("## `GET /ask`") < written.index("## `POST /ask`")
    file = "t0"
    assert f"| none | exact | It answers. | [none][{file}] |" in written
    assert f"| `style` | refused | There are no \\| styles. | [two][{file}] |" in written
    assert written.count(f"[words][{file}]") == 1
    assert f"[{file}]: ../test_ask.py\n" in written


@pytest.mark.parametrize("arguments", ['"GET /ask", "-", "perhaps", ""', '"GET /ask", "-", "exact"'])
def test_a_mark_of_another_form_is_an_error(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "test_ask.py").write_text(f"import pytest\n@pytest.mark.compat({arguments})\ndef test_it(): ...")
    ran = collect(tmp_path, tmp_path)
    assert ran.returncode != 0
    assert "test_ask.py::test_it: compat takes" in ran.stderr


def test_gaps_are_found_in_both_directions() -> None:
    document = document_of_our_own()
    found = {name: parameters(document, operation) for name, operation in operations(document).items()}
    assert found == {
        "POST /ask": {"limit": set(), "Prefer": set(), "style": set(), "input": {"input.seed"}},
        "POST /send/{place}": {"picture": set(), "title": set()},
        "GET /ask": {"-": set()},
    }
    whole = {(name, outer) for name in ("POST /ask", "GET /ask") for outer in found[name]} | {
        ("POST /ask", "input.seed")
    }
    assert gaps(document, {"POST /ask", "GET /ask"}, whole) == []
    assert gaps(document, {"GET /ask"}, set()) == ["GET /ask: no test is marked with -"]
    assert gaps(document, {"POST /ask"}, whole - {("POST /ask", "input.seed")}) == [
        "POST /ask: no test is marked with input.seed"
    ]
    assert gaps(document, set(), {("GET /ask", "limit"), ("GET /no", "-")}) == [
        "GET /ask: there is no limit",
        "GET /no: there is no -",
    ]
