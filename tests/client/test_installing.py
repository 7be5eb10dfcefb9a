"""The client alone: what it imports, and that it can be installed without the service."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.system.installation import ROOT

SERVER = {"app", "contract", "worker", "launch", "fastapi", "starlette", "redis", "rq", "pydantic", "torch"}


def run(code: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)


def test_the_client_imports_nothing_of_the_service() -> None:
    run(f"import safelight, sys; assert not {SERVER} & set(sys.modules)", ROOT)


def test_the_command_line_imports_the_client_alone() -> None:
    code = "import app.cli.__main__, sys; ours = {name for name in sys.modules if name.startswith('app.')}"
    run(f"{code}; assert all(name.startswith('app.cli') for name in ours)", ROOT)
    run(f"{code}; assert not {SERVER - {'app'}} & set(sys.modules)", ROOT)


def test_the_client_can_be_installed_by_itself(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "safelight", tmp_path / "source", ignore=shutil.ignore_patterns("__pycache__"))
    target = tmp_path / "installed"
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    pip = [sys.executable, "-m", "pip", "install", *options, "--target", target, tmp_path / "source"]
    subprocess.run(pip, check=True)
    installed = target / "safelight"
    assert {path.name for path in installed.glob("*.py")} == {path.name for path in (ROOT / "safelight").glob("*.py")}
    assert (installed / "py.typed").exists()
    run("from safelight import Safelight; assert Safelight().generate", target)
