"""The parent's handle on the child that owns the device: starting, talking, noticing its end. It imports no torch."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from worker.messages import ToChild, ToParent
from worker.settings import WorkerSettings

PRELOADED = "worker.child"
"""What the fork server imports once, so that the next child needs milliseconds instead of the seconds torch takes."""


class ChildEnded(Exception):
    """The child's end of the pipe is closed: the process has ended, whatever the reason, or has never begun."""


class ChildProcess:
    """One child, from its start to its end.

    It comes from a fork server that has imported torch and done nothing else with it, so it shares no thread, no
    lock and no CUDA context with anybody. When the parent dies, the pipe closes, and the child ends itself.
    """

    def __init__(self, settings: WorkerSettings) -> None:
        """Raises: ChildEnded, when the fork server dies meanwhile; there will be another for the next child."""
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([PRELOADED])
        self._connection, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_run, args=(theirs, settings), name="safelight-child")
        try:
            self._process.start()
        except (EOFError, OSError) as error:
            self._connection.close()
            raise ChildEnded(f"no child could be started: {error!r}") from error
        finally:
            theirs.close()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self._process.pid

    def send(self, message: ToChild) -> None:
        """Says something to the child; a child that has ended hears nothing, and its end is noticed by `messages`."""
        try:
            self._connection.send(message)
        except OSError:
            return

    async def messages(self) -> AsyncIterator[ToParent]:
        """Everything that the child says, in order. Raises: ChildEnded."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._connection.fileno(), readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                while self._connection.poll():
                    yield self._connection.recv()
        except (EOFError, OSError) as error:
            raise ChildEnded(f"child {self.pid} has ended") from error
        finally:
            loop.remove_reader(self._connection.fileno())

    def kill(self) -> None:
        """Ends the process; `messages` notices."""
        self._process.kill()

    def end(self) -> None:
        """Ends the process and gives back what the handle holds; nothing can be done with it afterwards."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _run(connection: Connection, settings: WorkerSettings) -> None:
    from worker.child import serve

    serve(connection, settings)
