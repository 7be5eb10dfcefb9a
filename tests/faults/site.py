"""The service as separate processes, each of which can be ended, frozen and started again while the others go on."""

import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import psutil

from contract.keys import KeyGrant, KeyStore
from tests.faults.client import Client
from tests.faults.final_state import FinalState, read_final_state
from tests.faults.history import History
from tests.faults.holds import FOLDER, Holds
from tests.faults.invariants import violations
from tests.system.installation import Installation, device_process
from tests.waiting import wait_until_async

Part = Literal["api", "parent", "child", "store"]

TENANTS = ("ada", "ben")


class Site:
    """One installation with all of its processes, and clients whose calls are written down.

    What dies stays dead until `start` is called, except for the child, which its parent replaces. The address is
    always the same: the listening socket is the test's, as it is the launcher's in the whole service.
    """

    def __init__(self, installation: Installation, *, under_test: bool = False) -> None:
        """With `under_test`, API and worker are builds that can be held and that misbehave, else the shipped ones."""
        self.installation = installation
        self.holds = Holds(installation.home / "holds")
        installation.environment[FOLDER] = str(installation.home / "holds")
        self.history = History()
        self.clients: dict[str, Client] = {}
        self._modules: dict[Part, str] = {"api": "app", "parent": "worker"}
        if under_test:
            self._modules = {"api": "tests.faults.builds.app", "parent": "tests.faults.builds.worker"}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._processes: dict[Part, psutil.Process] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def ada(self) -> Client:
        """The client of the tenant whose jobs most tests are about."""
        return self.clients["ada"]

    def log(self) -> str:
        """What the processes have said."""
        return self.installation.log.read_text()

    async def open(self) -> None:
        """Starts everything, and waits until a request would be served."""
        self.start("store")
        for tenant in TENANTS:
            key = await KeyStore(self.installation.connection).create(
                KeyGrant(tenant=tenant, scopes=("generate", "read", "admin"))
            )
            self.clients[tenant] = Client(self.history, self.address, tenant, str(key))
        self.start("api")
        self.start("parent")
        await self.until_ready()

    async def until_ready(self, timeout_seconds: float = 90) -> None:
        """Waits until jobs are worked on."""

        async def ready() -> bool:
            return (await self.ada.call("GET", "/readyz")).succeeded

        await wait_until_async(ready, timeout_seconds)

    async def close(self) -> None:
        """Ends everything."""
        for client in self.clients.values():
            await client.close()
        await self.installation.disconnect()
        self.installation.end()
        self._listener.close()

    # ---- the parts

    def process(self, part: Part) -> psutil.Process:
        """The process that is or was this part."""
        return device_process(self._processes["parent"]) if part == "child" else self._processes[part]

    def start(self, part: Part) -> None:
        """Starts a part that is not there; that it works then, `until_ready` says."""
        match part:
            case "store":
                self._processes[part] = self.installation.start_store()
            case "api":
                fd = self._listener.fileno()
                command = (sys.executable, "-m", self._modules["api"], "--fd", str(fd))
                self._processes[part] = self.installation.start(*command, fds=(fd,))
            case "parent":
                self._processes[part] = self.installation.start(sys.executable, "-m", self._modules["parent"])
            case "child":
                raise AssertionError("the parent starts it")

    async def until_gone(self, process: psutil.Process) -> None:
        """Waits for the end of a process that was told to end."""

        async def gone() -> bool:
            return is_gone(process)

        try:
            await wait_until_async(gone, 30)
        except AssertionError as error:
            raise AssertionError(f"{process} does not end:\n{self.log()[-20_000:]}") from error

    # ---- what must hold

    async def broken(self) -> list[str]:
        """Everything that breaks an invariant, once nothing waits or runs any more, or should not."""

        async def settled() -> FinalState | None:
            state = await read_final_state(self.installation.connection, self.installation.artifacts)
            at_rest = not state.leftovers and all(final.job.ended for final in state.jobs.values())
            return state if at_rest else None

        try:
            state = await wait_until_async(settled, 30)
        except AssertionError:
            state = await read_final_state(self.installation.connection, self.installation.artifacts)
        return violations(self.history, state)

    async def check(self) -> None:
        """Fails with everything that breaks an invariant."""
        broken = await self.broken()
        assert not broken, "\n".join([*broken, self.log()[-20_000:]])


def is_gone(process: psutil.Process) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@asynccontextmanager
async def open_site(catalogue: Path, *, under_test: bool = False, **settings: str) -> AsyncIterator[Site]:
    """A running site in a fresh data directory, with these variables in its environment."""
    with tempfile.TemporaryDirectory(prefix="sl-") as folder:
        installation = Installation(Path(folder), catalogue)
        installation.environment |= settings
        site = Site(installation, under_test=under_test)
        try:
            await site.open()
            yield site
        finally:
            await site.close()
