"""LoRA: how low-rank products are added to the rows that ask for them, beside layers that stay as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor, nn
from torch.nn import functional

from worker.steering import Passage, RowHook


@dataclass(frozen=True, eq=False, slots=True)
class Product:
    """One layer's two factors, the second one scaled by alpha / rank.

    Shapes: down (rank, in) or (rank, in, k, k), up (out, rank) or (out, rank, 1, 1).
    """

    down: Tensor
    up: Tensor

    def of(self, layer: nn.Module, hidden: Tensor) -> Tensor:
        """What the layer would have to add. Source: Hu et al. 2021, arXiv:2106.09685, eq. 3."""
        if isinstance(layer, nn.Conv2d):
            inner = functional.conv2d(hidden, self.down, None, layer.stride, layer.padding, layer.dilation)
            return functional.conv2d(inner, self.up)
        return functional.linear(functional.linear(hidden, self.down), self.up)


@dataclass(frozen=True, eq=False, slots=True)
class Lora:
    """The products of one file, by part of the model and then by layer, fitted to the layers of one model."""

    products: Mapping[str, Mapping[str, Product]]

    @property
    def num_bytes(self) -> int:
        """What its factors take."""
        products = [product for part in self.products.values() for product in part.values()]
        return sum(factor.numel() * factor.element_size() for one in products for factor in (one.down, one.up))

    def steering(self, part: str, network: nn.Module, scale: float) -> "Added | None":
        """What it asks of a part of the model; None where it has nothing to say of that part, or no weight."""
        if not self.products.get(part) or scale == 0:
            return None
        layers = dict(network.named_modules())
        return Added({layers[name]: partial(_added, product, scale) for name, product in self.products[part].items()})


@dataclass(frozen=True, eq=False, slots=True)
class Added:
    """Products beside some layers of one network."""

    by_layer: Mapping[nn.Module, RowHook]

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """The layers and their products."""
        del network
        return self.by_layer


def _added(product: Product, scale: float, passage: Passage) -> Tensor:
    return passage.output + scale * product.of(passage.module, passage.hidden)
