"""Pictures made lately. It is valid because pictures are exact: made again, they would have the same bytes."""

from collections import OrderedDict
from collections.abc import Hashable

from worker.events import Picture


class ResultCache:
    """Pictures by what they depend on, at most `max_bytes` of pixels; the least recently used go first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._pictures: OrderedDict[Hashable, Picture] = OrderedDict()

    def get(self, key: Hashable) -> Picture | None:
        """The picture, if it is remembered."""
        if key in self._pictures:
            self._pictures.move_to_end(key)
        return self._pictures.get(key)

    def put(self, key: Hashable, picture: Picture) -> None:
        """Remembers a picture that fits, at the cost of older ones."""
        if picture.pixels.nbytes > self._max_bytes or key in self._pictures:
            return
        self._pictures[key] = picture
        self._num_bytes += picture.pixels.nbytes
        while self._num_bytes > self._max_bytes:
            _, oldest = self._pictures.popitem(last=False)
            self._num_bytes -= oldest.pixels.nbytes
