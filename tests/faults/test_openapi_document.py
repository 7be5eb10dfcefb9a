"""What /openapi.json says is what is: schemathesis asks for everything that it allows, and for what it does not."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.installation import ROOT
from tests.system.launched import Launched, launch
from tests.tiny_catalogue import build_catalogue

pytestmark = pytest.mark.alone

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    """The whole service, with a model of which nobody can ask much."""
    catalogue = build_catalogue(tmp_path_factory.mktemp("small"))
    text = catalogue.read_text().replace("max_size = 256", "max_size = 64")
    catalogue.write_text(text.replace("max_num_inference_steps = 10000", "max_num_inference_steps = 8"))
    yield from launch(catalogue)


def new_key(launched: Launched) -> str:
    """An API key that may do everything."""
    command = [sys.executable, "-m", "app.keys", "create", "--tenant", "public", "--scopes", "generate,read,admin"]
    command += ["--priorities", "low,normal,high"]
    environment = launched.installation.environment
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, cwd=ROOT)
    return made.stdout.strip()


def schemathesis(launched: Launched, *options: str) -> None:
    """Fails with what schemathesis has found."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run"]
    run = subprocess.run(
        [*command, f"{launched.address}/openapi.json", *options], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_document_is_true(small: Launched) -> None:
    """Examples, what stands at the edges of every field, and a little of what comes to its mind."""
    schemathesis(small, "--header", f"Authorization: Bearer {new_key(small)}", "--seed", "1", "--max-examples", "3")


@pytest.mark.faults_full
@pytest.mark.timeout(3600)
def test_the_document_is_true_of_very_much(small: Launched) -> None:
    schemathesis(small, "--header", f"Authorization: Bearer {new_key(small)}", "--max-examples", "100")
