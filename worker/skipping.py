"""Which blocks of a network can be left out for single rows, and how: what comes in is what goes out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diffusers.models.attention import BasicTransformerBlock, JointTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.transformers.transformer_2d import Transformer2DModel
from diffusers.models.transformers.transformer_flux import FluxSingleTransformerBlock, FluxTransformerBlock
from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2D, UNetMidBlock2DCrossAttn
from torch import Tensor, nn

from contract.errors import UnsupportedIntervention
from worker.steering import Passage, RowHook

SKIPPED = (
    BasicTransformerBlock,
    FluxSingleTransformerBlock,
    FluxTransformerBlock,
    JointTransformerBlock,
    Transformer2DModel,
    UNetMidBlock2D,
    UNetMidBlock2DCrossAttn,
)
"""Blocks that return what they are given, changed, in the same shape."""


def can_skip(module: nn.Module) -> bool:
    """Whether what a block returns has the shape of what it is given."""
    if isinstance(module, ResnetBlock2D):
        return module.in_channels == module.out_channels and not (module.up or module.down)
    return isinstance(module, SKIPPED) and not getattr(module, "context_pre_only", False)


@dataclass(frozen=True, slots=True)
class Skipping:
    """A network without some of its blocks, by their names."""

    blocks: Sequence[str]

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """The blocks. Raises: UnsupportedIntervention, where one is none, or cannot be left out."""
        return {block_to_skip(network, name): passed_on for name in self.blocks}


def block_to_skip(network: nn.Module, name: str) -> nn.Module:
    """A block that can be left out. Raises: UnsupportedIntervention."""
    found: nn.Module | None = dict(network.named_modules()).get(name) if name else None
    if found is None:
        raise UnsupportedIntervention(f"The network has no block {name!r}.")
    if not can_skip(found):
        raise UnsupportedIntervention(
            f"{name} cannot be skipped: a {type(found).__name__} returns something else than it is given."
        )
    return found


def passed_on(passage: Passage) -> Tensor | tuple[Tensor, ...]:
    """What came in; blocks of two streams return the text's first.

    Source: as the layers that stochastic depth leaves out, Huang et al. 2016, arXiv:1603.09382, equation 2.
    """
    if passage.num_outputs == 1 or passage.context is None:
        return passage.hidden
    return passage.context, passage.hidden
