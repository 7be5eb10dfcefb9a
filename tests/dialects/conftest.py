"""What the tests of the dialects share: the whole service with the embedded model, met as one client among others."""

from collections.abc import Iterator

import pytest

from tests.system.installation import ROOT
from tests.system.launched import Launched, launch


@pytest.fixture(scope="session")
def service() -> Iterator[Launched]:
    """The service as shipped. All tests of the dialects share it and its jobs."""
    yield from launch(ROOT / "models.toml")
