"""How much single tokens of a prompt are looked at: their columns in the maps of attention, scaled."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import AttentionPooling
from torch import Tensor, nn

from contract.errors import UnsupportedIntervention
from worker.steering import Passage, RowHook


@dataclass(frozen=True, slots=True)
class TokensScaled:
    """Attention to some tokens, each multiplied by a factor; attention to the others stays as it is.

    Source: Hertz et al. 2022, arXiv:2208.01626, section 3.2, attention re-weighting: maps are not normalised again.
    """

    factors: tuple[tuple[int, float], ...]

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """Every attention to the prompt, and what pools it. Raises: UnsupportedIntervention, where there is none."""
        kinds = {Attention: self._looked, AttentionPooling: self._pooled}
        found = {
            module: hook
            for module in network.modules()
            for kind, hook in kinds.items()
            if isinstance(module, kind) and getattr(module, "is_cross_attention", True)
        }
        if not found:
            raise UnsupportedIntervention("The network looks at no token by itself.", field="intervene")
        return found

    def _looked(self, passage: Passage) -> Tensor:
        """What the attention returns, less what it saw of the tokens, and that again as often as their factors say."""
        if passage.context is None:
            return passage.output
        attention: Any = passage.module
        value = _in_heads(attention, attention.to_v(_context(attention, passage.context)))
        tokens = [token for token, _ in self.factors]
        weights = weights_of(attention, passage.hidden, key_of(attention, passage.context)).to(value.dtype)
        beyond = torch.tensor([factor - 1 for _, factor in self.factors], dtype=value.dtype, device=value.device)
        seen = (weights[..., tokens] * beyond) @ value[..., tokens, :]
        shown = attention.to_out[0](seen.transpose(1, 2).flatten(2))
        bias = attention.to_out[0].bias
        beside: Tensor = (shown if bias is None else shown - bias) / attention.rescale_output_factor
        return passage.output + beside

    def _pooled(self, passage: Passage) -> Tensor:
        """The pooled caption, of maps and a mean in which the tokens count as often as their factors say.

        Shapes: hidden (1, L, D), result (1, D).
        Source: with factors of 1 it must equal `AttentionPooling` of diffusers.
        """
        pool: Any = passage.module
        counts = torch.ones(passage.hidden.shape[1], dtype=passage.hidden.dtype, device=passage.hidden.device)
        for token, factor in self.factors:
            counts[token] = factor
        mean = (counts[:, None] * passage.hidden).mean(dim=1, keepdim=True)
        whole = torch.cat([mean + pool.positional_embedding.to(mean.dtype), passage.hidden], dim=1)
        projected = pool.q_proj(whole[:, :1]), pool.k_proj(whole), pool.v_proj(whole)
        query, key, value = (one.unflatten(-1, (pool.num_heads, -1)).transpose(1, 2) for one in projected)
        weights = (query @ key.transpose(-1, -2) * pool.dim_per_head**-0.5).float().softmax(dim=-1).to(value.dtype)
        weights[..., 1:] *= counts
        pooled: Tensor = (weights @ value).transpose(1, 2).flatten(2)[:, 0]
        return pooled


def weights_of(attention: Any, hidden: Tensor, key: Tensor) -> Tensor:
    """With which probability each place looks at each token, in float32; `key` is what `key_of` makes of the context.

    Shapes: hidden (1, places, D), key (1, heads, d, L), result (1, heads, places, L).
    Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1; must equal what diffusers' `Attention` multiplies by the
            values.
    """
    query = _in_heads(attention, attention.to_q(hidden))
    weights: Tensor = (query @ key).float().softmax(dim=-1)
    return weights


def key_of(attention: Any, context: Tensor) -> Tensor:
    """What places look for, scaled. Shapes: context (1, L, E), result (1, heads, d, L)."""
    key = _in_heads(attention, attention.to_k(_context(attention, context)))
    scaled: Tensor = attention.scale * key
    return scaled.transpose(-1, -2).contiguous()


def _context(attention: Any, context: Tensor) -> Tensor:
    normalized: Tensor = attention.norm_encoder_hidden_states(context) if attention.norm_cross else context
    return normalized


def _in_heads(attention: Any, projected: Tensor) -> Tensor:
    heads: Tensor = projected.unflatten(-1, (attention.heads, -1)).transpose(1, 2)
    return heads
