"""The Python in the README and in the pages on clients does what it says, against the whole service."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.installation import ROOT
from tests.system.launched import Launched

PAGES = (
    "README.md",
    "docs/automatic1111.md",
    "docs/client.md",
    "docs/datasets.md",
    "docs/openai.md",
    "docs/replicate.md",
)
ADDRESS = "http://localhost:8000"


def snippets() -> Iterator[pytest.ParameterSet]:
    """Each block, named by its page and its line."""
    for page in PAGES:
        text = (ROOT / page).read_text()
        for block in re.finditer(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
            yield pytest.param(block.group(1), id=f"{page}:{text.count(chr(10), 0, block.start()) + 1}")


def run(snippet: str, service: Launched, folder: Path) -> subprocess.CompletedProcess[str]:
    """The snippet as a program in a folder of its own; as a doctest, if it is written as one."""
    for name in ("docs", "models"):
        (folder / name).symlink_to(ROOT / name)
    file = folder / "snippet.txt"
    file.write_text(snippet.replace(ADDRESS, service.address))
    command = [sys.executable, *(["-m", "doctest"] if snippet.startswith(">>>") else []), file]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "SAFELIGHT_ADDRESS": service.address}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("snippet", list(snippets()))
def test_a_snippet_runs(service: Launched, tmp_path: Path, snippet: str) -> None:
    ran = run(snippet, service, tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("snippet", ["assert False", ">>> 1 + 1\n3", "import safelight; safelight.Safelight().job('')"])
def test_a_snippet_that_is_wrong_fails(service: Launched, tmp_path: Path, snippet: str) -> None:
    assert run(snippet, service, tmp_path).returncode == 1
