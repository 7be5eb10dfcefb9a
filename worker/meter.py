"""What each module of some networks takes and returns, read off while they run on one thread."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class Meter(TorchDispatchMode):
    """Operations, and shapes without the batch's own dimension, by module.

    Its hooks are on the modules that it is given: torch's own counter has hooks on all modules of the process, and so
    would count what other threads run.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._total = 0
        self._began: dict[nn.Module, list[int]] = {}
        self.flops: dict[nn.Module, int] = {}
        self.outputs: dict[nn.Module, tuple[int, ...]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs an operation. Whether a mask hides anything nobody knows where there are no numbers; it is said to not.

        Source: the formulas of `torch.utils.flop_counter`, where a product that is added counts as two.
        """
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return True
        result = func(*args, **(kwargs or {}))
        formula = flop_registry.get(func.overloadpacket)
        if formula is not None:
            self._total += int(formula(*args, **(kwargs or {}), out_val=result))
        return result

    @contextmanager
    def reading(self, networks: Sequence[nn.Module]) -> Iterator[None]:
        """While this is open, whatever these networks' modules do is read off."""
        modules = [module for network in networks for module in network.modules()]
        handles = [module.register_forward_pre_hook(self._begin) for module in modules]
        handles += [module.register_forward_hook(self._end) for module in modules]
        try:
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _begin(self, module: nn.Module, inputs: Any) -> None:
        del inputs
        self._began.setdefault(module, []).append(self._total)

    def _end(self, module: nn.Module, inputs: Any, output: Any) -> None:
        del inputs
        self.flops[module] = self.flops.get(module, 0) + self._total - self._began[module].pop()
        first = _first(output)
        if first is not None:
            self.outputs[module] = tuple(first.shape[1:])


def _first(output: Any) -> Tensor | None:
    """The first tensor that a module returns."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output if isinstance(output, tuple | list) else ()
    return next((value for value in values if isinstance(value, Tensor)), None)
