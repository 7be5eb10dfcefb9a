"""How single rows of a forward change the network that they pass through, while their neighbours see it as it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Passage(NamedTuple):
    """One row on its way through one module; `context` is what an attention attends to, if not to itself.

    Shapes: each tensor (1, …), as the module has them.
    """

    module: nn.Module
    hidden: Tensor
    context: Tensor | None
    output: Tensor


RowHook = Callable[[Passage], Tensor]
"""What a row has for its output instead, in the same shape."""


class Steering(Protocol):
    """What a row asks of the network beyond its prompt; several may change the same module, in their order."""

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """The modules that are to do otherwise, and how. Raises: SafelightError, where the network has none such."""
        ...


Inputs = tuple[Tensor, ...]


@contextmanager
def steered(network: nn.Module, steering: Sequence[Sequence[Steering]]) -> Iterator[None]:
    """Has the network do in its next forward what rows ask of it; `steering` has an entry a row, empty for most.

    Promise: a row that asks for nothing has the bits of a forward that nobody steers. A row that does is computed once
             more by itself where it differs, so its bits depend on that row alone as well.
    """
    hooks: dict[nn.Module, list[tuple[int, RowHook]]] = {}
    for row, asked in enumerate(steering):
        for module, hook in [pair for one in asked for pair in one.hooks(network).items()]:
            hooks.setdefault(module, []).append((row, hook))
    forward = _Forward()
    handles = [module.register_forward_hook(forward.hook_for(some), with_kwargs=True) for module, some in hooks.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


class _Forward:
    """One forward of many rows; a row's hook may call modules again, which then see that row only."""

    def __init__(self) -> None:
        self._alone: int | None = None

    def hook_for(self, hooks: Sequence[tuple[int, RowHook]]) -> Callable[..., Tensor]:
        """The hook of one module, for all rows that have one there."""

        def changed(module: nn.Module, args: Inputs, named: Mapping[str, Tensor], output: Tensor) -> Tensor:
            here = [(place, row, hook) for row, hook in hooks if (place := self._place(row)) is not None]
            if not here:
                return output
            hidden, context = (args or (named["hidden_states"],))[0], named.get("encoder_hidden_states")
            rows = list(output.split(1))
            for place, row, hook in here:
                seen = Passage(module, hidden[place : place + 1], _row(context, place), rows[place])
                rows[place] = self._asked(row, hook, seen)
            return torch.cat(rows)

        return changed

    def _place(self, row: int) -> int | None:
        if self._alone is None:
            return row
        return 0 if row == self._alone else None

    def _asked(self, row: int, hook: RowHook, passage: Passage) -> Tensor:
        before, self._alone = self._alone, row
        try:
            return hook(passage)
        finally:
            self._alone = before


def _row(values: Tensor | None, place: int) -> Tensor | None:
    return None if values is None else values[place : place + 1]
