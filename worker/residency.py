"""Which models and adapters are in memory: what fits into a number of bytes; those in use stay, others take turns."""

import gc
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import torch

from contract.errors import ModelUnavailable
from worker.devices import Placement
from worker.pipelines.whole import WholePipeline
from worker.stepwise_pipeline import StepwisePipeline

Model = StepwisePipeline | WholePipeline
Load = Callable[[str], Model]
T = TypeVar("T")


def unwatched(load: Load) -> Load:
    """The loading of models as it is."""
    return load


class Part(Protocol):
    """What is loaded beside a model."""

    @property
    def num_bytes(self) -> int:
        """What it takes on the device."""
        ...


P = TypeVar("P", bound=Part)


@dataclass
class Entry:
    """A model in memory, or a part beside one, and how many generations are using it."""

    content: Any
    num_bytes: int
    is_model: bool
    num_users: int = 0


class Residency:
    """Promise: the models in memory have no more bytes than the budget, what is loaded in a moment included where
    `expected_bytes` is right; a model in use is never removed; a model that is waited for is not overtaken by others.

    For several threads. `acquire` may take long and wait for `release`, so it is not for the thread that denoises.
    """

    def __init__(
        self,
        load: Load,
        num_bytes: Callable[[Model], int],
        budget_bytes: int,
        *,
        expected_bytes: Callable[[str], int] = lambda model_id: 0,
    ) -> None:
        """`expected_bytes` says what a model will take before it is loaded; 0 where that cannot be known."""
        self._load = load
        self._num_bytes = num_bytes
        self._expected_bytes = expected_bytes
        self._budget_bytes = budget_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()  # the least recently used first
        self._known_bytes: dict[str, int] = {}
        self._changed = threading.Condition()
        self._loading = threading.Lock()
        self._room_wanted = False

    @property
    def resident(self) -> tuple[str, ...]:
        """The models in memory, the most recently used last."""
        with self._changed:
            return tuple(model_id for model_id, entry in self._entries.items() if entry.is_model)

    @property
    def resident_bytes(self) -> int:
        """What they take, parts included."""
        with self._changed:
            return sum(entry.num_bytes for entry in self._entries.values())

    def acquire(self, model_id: str) -> Model:
        """A model, which stays until it is released as often as it was acquired; loaded if it is not in memory.

        Waits until what is in use leaves room for it. Raises: ModelUnavailable, where all of the budget is too little;
        and whatever `load` raises.
        """
        sizes = partial(self._expected_bytes, model_id), self._num_bytes
        model: Model = self._acquire(model_id, partial(self._load, model_id), *sizes)
        return model

    def acquire_part(self, part_id: str, load: Callable[[], P], expected_bytes: int, *, beside: Sequence[str]) -> P:
        """What is loaded `beside` what the caller has acquired already: in the same budget, under the same promise.

        Raises: ModelUnavailable, where the budget is too little for all of it; and whatever `load` raises.
        """
        part: P = self._acquire(part_id, load, lambda: expected_bytes, lambda loaded: loaded.num_bytes, beside)
        return part

    def _acquire(
        self,
        name: str,
        load: Callable[[], T],
        expected_bytes: Callable[[], int],
        num_bytes_of: Callable[[T], int],
        beside: Sequence[str] = (),
    ) -> Any:
        with self._changed:
            self._changed.wait_for(lambda: not self._room_wanted)
            if name in self._entries:
                return self._use(name)
        with self._loading:
            with self._changed:
                if name in self._entries:
                    return self._use(name)
            self._make_room(name, self._known_bytes.get(name) or expected_bytes(), beside)
            content = load()
            num_bytes = self._known_bytes[name] = num_bytes_of(content)
            self._make_room(name, num_bytes, beside)
            with self._changed:
                self._entries[name] = Entry(content, num_bytes, is_model=not beside)
                return self._use(name)

    def release(self, model_id: str) -> None:
        """Gives back what `acquire` gave; the caller holds the model no longer."""
        with self._changed:
            self._entries[model_id].num_users -= 1
            self._changed.notify_all()

    def _use(self, name: str) -> Any:
        self._entries.move_to_end(name)
        entry = self._entries[name]
        entry.num_users += 1
        return entry.content

    def _make_room(self, name: str, num_bytes: int, beside: Sequence[str]) -> None:
        """Removes what is not in use, the least recently used first, until there is room; waits for what is in use.

        What the caller itself has in use would be waited for in vain.
        """
        held_bytes = sum(self._entries[other].num_bytes for other in set(beside))
        if num_bytes + held_bytes > self._budget_bytes:
            raise ModelUnavailable(
                f"{name} takes {num_bytes} bytes, and all models in memory may take {self._budget_bytes}; "
                "see SAFELIGHT_MODEL_BYTES."
            )
        with self._changed, self._wanting_room():
            while self.resident_bytes + num_bytes > self._budget_bytes:
                if not self._evict_one():
                    self._changed.wait()

    @contextmanager
    def _wanting_room(self) -> Iterator[None]:
        """This keeps others from acquiring what must be released for room to be made."""
        self._room_wanted = True
        try:
            yield
        finally:
            self._room_wanted = False
            self._changed.notify_all()

    def _evict_one(self) -> bool:
        unused = next((model_id for model_id, entry in self._entries.items() if entry.num_users == 0), None)
        if unused is None:
            return False
        del self._entries[unused]
        give_memory_back()
        return True


def give_memory_back() -> None:
    """Frees what nobody refers to any more: modules refer to each other in circles, and CUDA keeps what it had."""
    gc.collect()
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()


def default_budget_bytes(placement: Placement) -> int:
    """Half of the memory of the device: activations and everybody else need the rest."""
    if placement.device.type == "cuda":
        return int(torch.cuda.mem_get_info(placement.device)[1]) // 2
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
