"""What the documentation shows of the `openai` package runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.system.installation import ROOT
from tests.system.launched import Launched

PAGES = ("docs/openai.md", "README.md")


def snippets() -> list[str]:
    """The Python in these pages that is about this package."""
    found = [
        code for page in PAGES for code in re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    ]
    return list(dict.fromkeys(code for code in found if re.search(r"\bimport .*openai|\bfrom openai", code)))


@pytest.mark.parametrize("code", snippets(), ids=lambda code: code.splitlines()[-1][:40])
def test_the_snippet_makes_a_picture(service: Launched, tmp_path: Path, code: str) -> None:
    code = code.replace("http://localhost:8000", service.address)
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
    files = list(tmp_path.iterdir())
    assert files
    for file in files:
        with Image.open(file) as picture:
            assert picture.size == (128, 128)


def test_there_are_snippets() -> None:
    assert len(snippets()) >= 3
