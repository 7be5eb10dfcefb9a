"""How an object is left out: what a mask hides is filled by looking at what is around it, and never at itself.

The row that draws the fill is steered; guidance pushes away from the same row without steering, which would draw what
was there again.
"""

from collections.abc import Mapping

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from contract.errors import UnsupportedEdit
from worker.steering import Passage, RowHook


class LooksAround:
    """Self-attention in which no place under the mask sees another one there.

    Shapes: mask (1, 1, H, W), as the latents have it; above 0 is under the mask.
    Source: Sun et al. 2024, arXiv:2412.12974, equation 4.
    """

    def __init__(self, mask: Tensor) -> None:
        self._mask = (mask > 0).float()

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """Every self-attention. Raises: UnsupportedEdit, where the network has none."""
        found = {
            module: self._redirected
            for name, module in network.named_modules()
            if name.endswith("attn1") and isinstance(module, Attention)
        }
        if not found:
            raise UnsupportedEdit("The model has no self-attention that could be led around a mask.", field="remove")
        return found

    def _redirected(self, passage: Passage) -> Tensor:
        hidden = self._hidden_places(passage.hidden.shape[1])
        if hidden is None or hidden.all():
            return passage.output
        allowed = ~(hidden[:, None] & hidden[None, :]).to(passage.hidden.device)
        output: Tensor = passage.module.forward(passage.hidden, attention_mask=_as_bias(allowed, passage.hidden))
        return output

    def _hidden_places(self, length: int) -> Tensor | None:
        """Which of the places of an attention of this length are mostly under the mask, (length,)."""
        height, width = self._mask.shape[2:]
        while height * width > length and min(height, width) > 1:
            height, width = -(-height // 2), -(-width // 2)
        if height * width != length:
            return None
        shares = nn.functional.adaptive_avg_pool2d(self._mask, (height, width))
        return (shares > 0.5).flatten()


def _as_bias(allowed: Tensor, like: Tensor) -> Tensor:
    """What is added to the similarities, (1, length, length)."""
    return torch.zeros(allowed.shape, dtype=like.dtype, device=like.device).masked_fill(~allowed, float("-inf"))[None]
