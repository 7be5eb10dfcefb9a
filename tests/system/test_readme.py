"""The README says of every setting what the code says, and its commands do what it says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic_settings import BaseSettings

from app.settings import AppSettings
from launch.settings import LaunchSettings
from tests.system.installation import ROOT
from tests.system.launched import Launched
from worker.settings import WorkerSettings

NUM_STEERED = 20
"""Pictures of the sections on steering, and on what goes on inside of one."""


def rows(settings: type[BaseSettings]) -> list[str]:
    """The README's rows for these settings."""
    return [
        f"| `SAFELIGHT_{name.upper()}` | {_shown(field.default)} | {field.description} |"
        for name, field in settings.model_fields.items()
    ]


@pytest.mark.timeout(300)
def test_every_command_of_the_readme_works(launched_as_shipped: Launched, tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    for folder in ("app", "docs", "models", "safelight"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    script = "".join(blocks).replace("http://localhost:8000", launched_as_shipped.address)
    bash = ["bash", "-euo", "pipefail", "-c", script]
    run = subprocess.run(bash, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert run.returncode == 0, run.stderr
    assert '"error":{' not in run.stdout
    assert "event: preview" in run.stdout
    assert run.stdout.count('"status":"succeeded"') >= NUM_STEERED
    assert (tmp_path / "rocket.png").read_bytes().startswith(b"\x89PNG")


def _shown(default: object) -> str:
    return "" if default in (None, "") else f"`{default}`"


@pytest.mark.parametrize("settings", [AppSettings, WorkerSettings, LaunchSettings])
def test_every_setting_is_in_the_readme(settings: type[BaseSettings]) -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    assert [row for row in rows(settings) if row not in lines] == []
