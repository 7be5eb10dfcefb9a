"""What may happen between the service and its store: answers that are lost, connections that are dead or slow."""

import asyncio
import hashlib
from asyncio import StreamReader, StreamWriter

from contract.scripts import ScriptName, read_scripts
from tests.relay import CHUNK_BYTES, Link, Relay


class StoreProxy(Relay):
    """Passes on what the store is asked and what it says, while nothing is set here.

    `losing` has for a text how many answers to commands with it are lost: they are carried out, and then their
    connection is reset. A `dead` connection stays open and brings nothing any more, one that is new then likewise.
    `delay_seconds` is what each answer takes longer.
    """

    def __init__(self, service: str) -> None:
        super().__init__(service)
        self.losing: dict[bytes, int] = {}
        self.num_lost = 0
        self.dead = False
        self.delay_seconds = 0.0

    @property
    def address(self) -> str:
        """Where the service reaches the store through it."""
        return f"redis://{self.host}/0"

    def lose(self, script: ScriptName, num_times: int = 1) -> None:
        """Has the next answers of a script lost."""
        self.losing[hashlib.sha1(read_scripts()[script].encode()).hexdigest().encode()] = num_times

    def link(self, to_service: StreamWriter, to_client: StreamWriter) -> Link:
        return _Connection(self, to_service, to_client)


class _Connection:
    """One connection, on which one answer follows another. Once it was dead it stays so."""

    def __init__(self, proxy: StoreProxy, to_service: StreamWriter, to_client: StreamWriter) -> None:
        self._proxy = proxy
        self._to_service = to_service
        self._to_client = to_client
        self._is_lost = False
        self._is_dead = False

    async def ask(self, client: StreamReader) -> None:
        """Passes commands on, and sees which of them will have no answer."""
        while data := await client.read(CHUNK_BYTES):
            if self._died():
                continue
            for text, num_times in self._proxy.losing.items():
                if num_times and text in data:
                    self._proxy.losing[text] -= 1
                    self._is_lost = True
            self._to_service.write(data)

    async def answer(self, service: StreamReader) -> None:
        """Passes answers on, up to one that is lost."""
        while data := await service.read(CHUNK_BYTES):
            await asyncio.sleep(self._proxy.delay_seconds)
            if self._is_lost:
                self._proxy.num_lost += 1
                return
            if not self._died():
                self._to_client.write(data)

    def _died(self) -> bool:
        self._is_dead |= self._proxy.dead
        return self._is_dead
