"""What the tests of faults share: a site with two tenants, whose history is checked at the end of each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.site import Site, open_site


@pytest.fixture
async def site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    """The service, a process a part; whatever a test does to it, the invariants hold in the end."""
    async with open_site(tiny_catalogue) as site:
        yield site
        await site.check()
