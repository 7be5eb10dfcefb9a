"""The short form of the engine's benchmark: wide bounds on every ratio, and exactness exact."""

import subprocess
import sys

import pytest

from tests.system.installation import ROOT

pytestmark = pytest.mark.alone


@pytest.mark.timeout(600)
def test_no_ratio_is_beyond_its_wide_bounds() -> None:
    command = [sys.executable, "-W", "ignore", "-m", "bench.engine", "--short", "--jobs", "36", "--mixes", "6"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "| pictures that differ" in run.stdout
