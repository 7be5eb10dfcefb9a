"""What the pages show of Replicate's SDK runs as it stands."""

import re
import subprocess
import sys
from pathlib import Path

from tests.system.installation import ROOT
from tests.system.launched import Launched

PAGES = ("docs/replicate.md", "README.md")


def snippets() -> list[str]:
    """The snippets of Python in which the SDK is used."""
    texts = [(ROOT / page).read_text() for page in PAGES]
    found = [snippet for text in texts for snippet in re.findall(r"```python\n(.*?)```", text, re.DOTALL)]
    return [snippet for snippet in found if "import replicate" in snippet]


def test_every_snippet_runs(service: Launched, tmp_path: Path) -> None:
    assert snippets()
    for snippet in set(snippets()):
        program = snippet.replace("http://localhost:8000", service.address)
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stderr
        assert (tmp_path / "apple.png").read_bytes().startswith(b"\x89PNG")
        (tmp_path / "apple.png").unlink()
