"""Low-rank products that are being learnt beside a network's layers, and the files that hold them."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

State = dict[str, Tensor]


class Products(nn.Module):
    """Low-rank products beside those layers of a network that have one of these ends, which they change by hooks.

    Source: Hu et al. 2021, arXiv:2106.09685, eq. 3, with alpha = rank; the second factor begins at zero.
    """

    def __init__(
        self, network: nn.Module, ends: tuple[str, ...], rank: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.factors: dict[str, tuple[nn.Parameter, nn.Parameter]] = {}
        for name, layer in network.named_modules():
            if name.endswith(ends) and isinstance(layer, nn.Linear | nn.Conv2d):
                down = torch.empty(rank, *layer.weight.shape[1:])
                nn.init.kaiming_uniform_(down, a=5**0.5, generator=generator)
                up = torch.zeros(layer.weight.shape[0], rank, *[1] * (layer.weight.ndim - 2))
                self.factors[name] = nn.Parameter(down), nn.Parameter(up)
                layer.register_forward_hook(self._hook(name))

    @property
    def weights(self) -> list[nn.Parameter]:
        """What is trained."""
        return [factor for pair in self.factors.values() for factor in pair]

    def _hook(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]:
        def add(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            down, up = self.factors[name]
            if isinstance(layer, nn.Conv2d):
                inner = functional.conv2d(inputs[0], down, None, layer.stride, layer.padding, layer.dilation)
                return output + functional.conv2d(inner, up)
            return output + functional.linear(functional.linear(inputs[0], down), up)

        return add


KOHYA_PREFIXES = {"unet": "lora_unet", "text_encoder": "lora_te"}


def in_diffusers_layout(parts: Mapping[str, Products]) -> State:
    """As `save_lora_weights` of diffusers' pipelines names the factors."""
    return {
        f"{part}.{name}.{factor}.weight": values.detach().contiguous()
        for part, products in parts.items()
        for name, pair in products.factors.items()
        for factor, values in zip(("lora_A", "lora_B"), pair, strict=True)
    }


def in_kohya_layout(parts: Mapping[str, Products]) -> State:
    """As kohya's scripts name them; each layer says that its alpha is the rank."""
    state: State = {}
    for part, products in parts.items():
        for name, (down, up) in products.factors.items():
            model = "" if part == "unet" or name.startswith("text_model.") else "text_model_"
            layer = f"{KOHYA_PREFIXES[part]}_{model}{name.replace('.', '_')}"
            state[f"{layer}.lora_down.weight"] = down.detach().contiguous()
            state[f"{layer}.lora_up.weight"] = up.detach().contiguous()
            state[f"{layer}.alpha"] = torch.tensor(float(down.shape[0]))
    return state
