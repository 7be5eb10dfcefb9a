"""Pictures made lately. It is valid because pictures are exact: made again, they would have the same bytes."""

from collections import OrderedDict
from collections.abc import Hashable

from worker.images import Pixels


class ResultCache:
    """Pixels by what they depend on, at most `max_bytes` of them; the least recently used go first. 0 keeps nothing."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._num_bytes = 0
        self._pixels: OrderedDict[Hashable, Pixels] = OrderedDict()

    def get(self, key: Hashable) -> Pixels | None:
        """The picture, if it is remembered."""
        if key in self._pixels:
            self._pixels.move_to_end(key)
        return self._pixels.get(key)

    def put(self, key: Hashable, pixels: Pixels) -> None:
        """Remembers a picture that fits, at the cost of older ones."""
        if pixels.nbytes > self._max_bytes or key in self._pixels:
            return
        self._pixels[key] = pixels
        self._num_bytes += pixels.nbytes
        while self._num_bytes > self._max_bytes:
            _, oldest = self._pixels.popitem(last=False)
            self._num_bytes -= oldest.nbytes
