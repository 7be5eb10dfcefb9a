"""The child's way out: pictures are encoded and sent on a thread of their own, while the next forward runs."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from worker.messages import ToParent


class Outlet:
    """Promise: what is given to `send_later` arrives in the order in which it was given."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._later = ThreadPoolExecutor(max_workers=1, thread_name_prefix="safelight-outlet")

    def send(self, message: ToParent) -> None:
        """Says something now."""
        with self._lock:
            self._connection.send(message)

    def send_later(self, make: Callable[[], ToParent]) -> None:
        """Says what `make` returns, once it and everything before it has been made."""
        self._later.submit(lambda: self.send(make()))
