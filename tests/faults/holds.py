"""Points at which a process under test waits until the test has done its worst; files say which, and for how long."""

import os
from pathlib import Path

from tests.waiting import wait_until, wait_until_async

FOLDER = "SAFELIGHT_TEST_HOLDS"
"""The variable that names the folder; only the builds in `tests/faults/builds` read it."""

PATIENCE_SECONDS = 60.0


class Holds:
    """The files of one folder. Each armed point holds the first process that comes by, once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    @classmethod
    def of_environment(cls) -> "Holds":
        """Those that the environment names."""
        return cls(Path(os.environ[FOLDER]))

    @property
    def broken(self) -> Path:
        """While this file is there, the device of the worker under test fails."""
        return self._folder / "broken"

    # ---- the test's side

    def arm(self, point: str) -> None:
        """Has the next process that comes to this point wait there."""
        self._armed(point).touch()

    async def until_held(self, point: str) -> None:
        """Waits until a process waits there."""

        async def held() -> bool:
            return self._held(point).exists()

        await wait_until_async(held, PATIENCE_SECONDS)

    def let_go(self) -> None:
        """Lets everybody go on."""
        for file in self._folder.glob("*.*"):
            file.unlink()

    # ---- the process's side

    def wait(self, point: str) -> None:
        """Waits here if the point is armed."""
        if self._reach(point):
            wait_until(lambda: not self._held(point).exists(), PATIENCE_SECONDS)

    async def wait_async(self, point: str) -> None:
        """Waits here if the point is armed, and lets the rest of the process go on."""

        async def gone() -> bool:
            return not self._held(point).exists()

        if self._reach(point):
            await wait_until_async(gone, PATIENCE_SECONDS)

    def _reach(self, point: str) -> bool:
        try:
            self._armed(point).rename(self._held(point))
        except FileNotFoundError:
            return False
        return True

    def _armed(self, point: str) -> Path:
        return self._folder / f"{point}.armed"

    def _held(self, point: str) -> Path:
        return self._folder / f"{point}.held"
