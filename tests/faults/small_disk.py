"""A disk of a few megabytes that can be filled to the last byte, seen only by processes that are started in it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from launch.embedded_store import server_command
from tests.system.installation import Installation
from tests.waiting import wait_until

MOUNT = 'mount -t tmpfs -o size="$1" disk "$0" && echo mounted && exec cat'


class SmallDisk:
    """A file system in memory, mounted under `folder` in a namespace of its own; it goes with `holder`."""

    def __init__(self, folder: Path, holder: int) -> None:
        self.folder = folder
        self.inside = ("nsenter", f"--target={holder}", "--user", "--mount", "--preserve-credentials", "--")
        """What stands in front of a command that sees it."""
        self._filler = Path(f"/proc/{holder}/root{folder}/filler")

    def fill(self) -> None:
        """Leaves no block free."""
        with self._filler.open("wb", buffering=0) as filler, suppress(OSError):
            while True:
                filler.write(bytes(4096))

    def free(self) -> None:
        """Gives back what `fill` has taken."""
        self._filler.unlink()


@contextmanager
def small_disk(folder: Path, size: str = "16m") -> Iterator[SmallDisk | None]:
    """A disk; None where this machine lets nobody mount any."""
    folder.mkdir()
    command = ("unshare", "--user", "--map-root-user", "--mount", "--", "sh", "-c", MOUNT, str(folder), size)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        yield SmallDisk(folder, holder.pid) if holder.stdout.readline() else None
        holder.kill()


class SmallInstallation(Installation):
    """An installation whose store writes to a disk of its own, and may be told to be slow."""

    disk: SmallDisk | None = None

    def start_store(self) -> psutil.Process:
        """Starts the store, and waits until it listens or has ended."""
        self.socket.unlink(missing_ok=True)
        inside = self.disk.inside if self.disk else ()
        folder = ("--dir", str(self.disk.folder)) if self.disk else ()
        store = self.start(*inside, *server_command(self.socket), *folder, "--enable-debug-command", "yes")
        wait_until(self.socket.exists, 10, self.log.read_text)
        return store
