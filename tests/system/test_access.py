"""Keys and the whole service: the page for operators does what it says, and no launcher opens a house to all."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.system.installation import ROOT, Installation
from tests.system.launched import Launched


def test_every_command_of_the_page_on_access_works(launched: Launched, tmp_path: Path) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs/access.md").read_text(), re.DOTALL)
    script = "".join(blocks).replace("http://localhost:8000", launched.address)
    environment = launched.installation.environment | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    bash = ["bash", "-euo", "pipefail", "-c", script]
    run = subprocess.run(bash, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    assert '"error":{' not in run.stdout, run.stdout
    assert '"object":"quote"' in run.stdout
    assert '"priority":"high"' in run.stdout
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert re.search(r"sl_[0-9a-f]{12}_", launched.log()) is None


def test_a_launcher_opens_to_others_only_with_a_key(tmp_path: Path, tiny_catalogue: Path) -> None:
    """127.1 is this machine's own, in a form that is not known to be: so nothing here listens to others."""
    installation = Installation(tmp_path, tiny_catalogue)
    launcher = installation.start(sys.executable, "-m", "launch", SAFELIGHT_PORT="0", SAFELIGHT_HOST="127.1")
    assert launcher.wait(30) == 1
    installation.end()
    said = installation.log.read_text()
    assert "safelight: Other machines can reach 127.1, and there is no API key." in said
    assert "Traceback" not in said
