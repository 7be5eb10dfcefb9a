"""What the tests of faults share: a service whose history is checked at the end, and the table of what they found."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.cells import FAULTS, MOMENTS, OUTCOMES, VICTIMS, Cell, Outcome
from tests.faults.site import Site, open_site


@pytest.fixture
async def site(tiny_catalogue: Path) -> AsyncIterator[Site]:
    """The service, a process a part; whatever a test does to it, the invariants hold in the end."""
    async with open_site(tiny_catalogue) as site:
        yield site
        await site.check()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Prints the kill matrix as far as it was run: lost, doubled, and the seconds to the end of the job."""
    outcomes = config.stash.get(OUTCOMES, {})
    if not outcomes:
        return
    terminalreporter.section("kill matrix: lost/doubled, seconds from the fault to the end of the job")
    terminalreporter.write_line(f"{'':15}" + "".join(f"{moment:>16}" for moment in MOMENTS))
    for victim in VICTIMS:
        for fault in FAULTS:
            cells = (outcomes.get(Cell(victim, moment, fault)) for moment in MOMENTS)
            terminalreporter.write_line(f"{victim:8}{fault:7}" + "".join(f"{_shown(outcome):>16}" for outcome in cells))
    lost = sum(outcome.num_lost for outcome in outcomes.values())
    doubled = sum(outcome.num_doubled for outcome in outcomes.values())
    terminalreporter.write_line(f"{len(outcomes)} cells: {lost} lost, {doubled} doubled")


def _shown(outcome: Outcome | None) -> str:
    return "" if outcome is None else f"{outcome.num_lost}/{outcome.num_doubled} {outcome.seconds:7.1f}"
