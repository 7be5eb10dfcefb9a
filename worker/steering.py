"""How single rows of a forward change the network that they pass through, while their neighbours see it as it is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn


class Passage(NamedTuple):
    """One row on its way through one module; `context` is what an attention attends to, if not to itself.

    `output` is what the module returns, and the first of `num_outputs` tensors where it returns several.
    Shapes: each tensor (1, …), as the module has them.
    """

    module: nn.Module
    hidden: Tensor
    context: Tensor | None
    output: Tensor
    num_outputs: int = 1


RowHook = Callable[[Passage], Tensor | tuple[Tensor, ...]]
"""What a row has for its output instead, in the same shape; a tuple is for as many of the module's outputs."""


class Steering(Protocol):
    """What a row asks of the network beyond its prompt; several may change the same module, in their order."""

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """The modules that are to do otherwise, and how. Raises: SafelightError, where the network has none such."""
        ...


Inputs = tuple[Tensor, ...]
Outputs = Tensor | tuple[Any, ...]


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

    def hook_for(self, hooks: Sequence[tuple[int, RowHook]]) -> Callable[..., Outputs]:
        """The hook of one module, for all rows that have one there."""

        def steer(module: nn.Module, args: Inputs, named: Mapping[str, Tensor], output: Outputs) -> Outputs:
            here = [(place, row, hook) for row, hook in hooks if (place := self._place(row)) is not None]
            if not here:
                return output
            hidden, context = (args or (named["hidden_states"],))[0], named.get("encoder_hidden_states")
            several = output if isinstance(output, tuple) else (output,)
            tensors = [list(one.split(1)) for one in takewhile(lambda one: isinstance(one, Tensor), several)]
            changed = 0
            for place, row, hook in here:
                before = tensors[0][place]
                seen = Passage(module, hidden[place : place + 1], _row(context, place), before, len(tensors))
                found = self._asked(row, hook, seen)
                if found is before:
                    continue
                replaced = found if isinstance(found, tuple) else (found,)
                changed = max(changed, len(replaced))
                for rows, value in zip(tensors, replaced, strict=False):
                    rows[place] = value
            merged = (*(torch.cat(rows) for rows in tensors[:changed]), *several[changed:])
            return merged if isinstance(output, tuple) else merged[0]

        return steer

    def _place(self, row: int) -> int | None:
        if self._alone is None:
            return row
        return 0 if row == self._alone else None

    def _asked(self, row: int, hook: RowHook, passage: Passage) -> Outputs:
        before, self._alone = self._alone, row
        try:
            return hook(passage)
        finally:
            self._alone = before


def _row(values: Tensor | None, place: int) -> Tensor | None:
    return None if values is None else values[place : place + 1]
