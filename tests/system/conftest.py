"""What the tests of the whole system share: processes that use a tiny catalogue."""

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.installation import ROOT, Installation
from tests.system.launched import Launched, launch


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
