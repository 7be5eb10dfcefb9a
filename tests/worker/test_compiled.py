"""Compiled networks: compiled once for a home, before anybody asks for a picture, and as exact as others."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.system.installation import ROOT
from tests.tiny_models import build_stable_diffusion
from tests.tiny_parts import smallest_unet

pytestmark = [
    pytest.mark.skipif(shutil.which(os.environ.get("CXX", "g++")) is None, reason="needs a C++ compiler"),
    pytest.mark.timeout(300),
]


@pytest.fixture(scope="module")
def starts(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two starts with one home say, one after the other, and the compiled files that were there after each."""
    folder = tmp_path_factory.mktemp("compiled")
    build_stable_diffusion(folder / "model")
    smallest_unet().save_pretrained(folder / "model" / "unet")
    return [_start(folder / "model", folder / "home") for _ in range(2)]


def _start(model: Path, home: Path) -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "tests.worker.compiled_start", str(model), str(home)]
    environment = {name: value for name, value in os.environ.items() if name != "TORCHINDUCTOR_CACHE_DIR"}
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    files = {str(file.relative_to(home)) for file in (home / "compiled").rglob("*.so")}
    return {**json.loads(run.stdout.splitlines()[-1]), "files": files}


def test_all_is_compiled_before_the_first_request(starts: list[dict[str, Any]]) -> None:
    first = starts[0]
    assert first["warm"]["made"] == 1, "one size of forwards"
    assert first["served"] == first["warm"]
    assert first["files"], "the kernels are in the home"


def test_the_next_start_compiles_nothing(starts: list[dict[str, Any]]) -> None:
    first, second = starts
    assert second["warm"] == {"made": 0, "found": 1}
    assert second["served"] == second["warm"]
    assert second["files"] == first["files"]


def test_compiled_pictures_do_not_depend_on_company_or_on_the_start(starts: list[dict[str, Any]]) -> None:
    for said in starts:
        assert (said["compiled"], said["reproducibility"]) == (True, "exact")
        assert said["together"] == said["alone"] == starts[0]["alone"]
        assert len(set(said["alone"].values())) == len(said["alone"])
