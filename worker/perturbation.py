"""Which part of a network is perturbed for perturbed-attention guidance, and how."""

from collections.abc import Mapping

from torch import Tensor, nn

from contract.errors import UnsupportedGuidance
from worker.steering import Passage, RowHook


class IdentityAttention:
    """Has a row pass through the self-attentions in the middle of a U-Net as if every place attended to itself alone.

    Source: Ahn et al. 2024, arXiv:2403.17377, section 4.2: the identity in place of the attention map.
    """

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """The self-attentions of the middle block. Raises: UnsupportedGuidance, where there are none."""
        middle = network.get_submodule("mid_block") if "mid_block" in dict(network.named_children()) else nn.Module()
        found = [module for name, module in middle.named_modules() if name.rpartition(".")[2] == "attn1"]
        if not found:
            raise UnsupportedGuidance("The model's network has no self-attention in its middle.", field="guidance")
        return dict.fromkeys(found, values_alone)


def values_alone(passage: Passage) -> Tensor:
    """The output of an attention whose map is the identity."""
    values = passage.module.get_submodule("to_v")(passage.hidden)
    output: Tensor = passage.module.get_submodule("to_out")[0](values)  # type: ignore[index]
    return output
