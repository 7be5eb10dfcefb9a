"""What the tests of the whole system share: a tiny catalogue, and processes that use it."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.installation import ROOT, Installation
from tests.system.launched import Launched, launch
from tests.tiny_models import build_stable_diffusion

CATALOGUE = """
default_model = "tiny"

[[models]]
id = "tiny"
family = "stable_diffusion"
source = { path = "tiny" }
owned_by = "tests"
licence = "MIT"
created = 0
defaults = { height = 64, width = 64, num_inference_steps = 4, guidance_scale = 3.0, scheduler = "euler" }

[models.limits]
size_multiple = 8
min_size = 16
max_size = 256
max_num_inference_steps = 10000
max_guidance_scale = 30.0
max_cost = 1000000000
"""


@pytest.fixture(scope="session")
def tiny_catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with one tiny model."""
    folder = tmp_path_factory.mktemp("catalogue")
    build_stable_diffusion(folder / "tiny")
    catalogue = folder / "models.toml"
    catalogue.write_text(CATALOGUE)
    return catalogue


@pytest.fixture
async def installation(tiny_catalogue: Path) -> AsyncIterator[Installation]:
    """A data directory with a running store."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        installation = Installation(Path(folder), tiny_catalogue)
        installation.start_store()
        yield installation
        await installation.disconnect()
        installation.end()


@pytest.fixture
def worker(installation: Installation) -> psutil.Process:
    """A running worker."""
    return installation.start_worker()


@pytest.fixture
def launched(tiny_catalogue: Path) -> Iterator[Launched]:
    """The whole service, with the tiny model."""
    yield from launch(tiny_catalogue)


@pytest.fixture
def launched_as_shipped() -> Iterator[Launched]:
    """The whole service, with our own catalogue and the embedded model."""
    yield from launch(ROOT / "models.toml")
