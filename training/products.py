"""This file knows how low-rank products are trained beside the layers of a network that stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

Ranks = Mapping[str, int]
"""The rank of each product by how the name of its layer ends; the longest end that fits is meant."""


class Products(nn.Module):
    """Low-rank products beside a network's layers, which they change by hooks.

    Source: Hu et al. 2021, arXiv:2106.09685, eq. 3, with alpha = rank; the second factor begins at zero.
    """

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        super().__init__()
        self.names: list[str] = []
        self.downs, self.ups = nn.ParameterList(), nn.ParameterList()
        for name, layer in network.named_modules():
            rank = _rank_of(name, ranks)
            if rank and isinstance(layer, nn.Linear | nn.Conv2d):
                self._add(name, layer.weight, rank)
                layer.register_forward_hook(self._hook(len(self.names) - 1))

    def file(self, weights: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The products in diffusers' layout, 16 bit; `weights` are others of the same shape, an average, say."""
        kept = self.state_dict() if weights is None else weights
        named: dict[str, Tensor] = {}
        for index, name in enumerate(self.names):
            named[f"unet.{name}.lora_A.weight"] = kept[f"downs.{index}"].half().contiguous()
            named[f"unet.{name}.lora_B.weight"] = kept[f"ups.{index}"].half().contiguous()
        return named

    def _add(self, name: str, weight: Tensor, rank: int) -> None:
        down = torch.empty(rank, *weight.shape[1:])
        nn.init.kaiming_uniform_(down, a=5**0.5)
        self.downs.append(nn.Parameter(down))
        self.ups.append(nn.Parameter(torch.zeros(weight.shape[0], rank, *[1] * (weight.ndim - 2))))
        self.names.append(name)

    def _hook(self, index: int) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            down, up = (factors[index].to(output.dtype) for factors in (self.downs, self.ups))
            if isinstance(layer, nn.Conv2d):
                inner = functional.conv2d(inputs[0], down, None, layer.stride, layer.padding)
                return output + functional.conv2d(inner, up)
            return output + functional.linear(functional.linear(inputs[0], down), up)

        return add


def _rank_of(name: str, ranks: Ranks) -> int:
    fitting = [end for end in ranks if f".{name}".endswith(f".{end}")]
    return ranks[max(fitting, key=len)] if fitting else 0
