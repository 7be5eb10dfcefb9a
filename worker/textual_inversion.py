"""Words that a text encoder was taught by textual inversion: how files name them, and whom they fit."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from contract.errors import AdapterMismatch

NAMELESS = ("emb_params", "string_to_param", "string_to_param.*")
"""Entries of AUTOMATIC1111's files, which are called as their word is."""

OF_EACH_ENCODER = ("clip_l", "clip_g")
"""Entries of files for SDXL, in the order of its text encoders."""

MAX_VECTORS = 75
"""What CLIP reads of a prompt."""


@dataclass(frozen=True, slots=True)
class Inversion:
    """A word, and what stands for it in a prompt: so many vectors in place of tokens' embeddings.

    `vectors` has an entry for each text encoder of the model, (n, D), n the same; `digest` names them. `weight` is what
    the word counts by itself, whatever the prompt says beyond that.
    """

    token: str
    digest: str
    vectors: tuple[Tensor, ...] = field(compare=False, repr=False)
    weight: float = 1.0


def read_inversions(content: bytes, name: str, *, weight: float = 1.0) -> tuple[Inversion, ...]:
    """The words in a safetensors file; `name` is the word where the file says none.

    Raises: AdapterMismatch.
    Source: Gal et al. 2022, arXiv:2208.01618; the layouts are those of diffusers' `load_textual_inversion`
            (`{word: (n, D) or (D,)}`), of AUTOMATIC1111 and of SDXL's trainers.
    """
    try:
        entries = {entry: _rows(vectors) for entry, vectors in safetensors.torch.load(content).items()}
    except (SafetensorError, KeyError) as error:
        raise AdapterMismatch(f"The file cannot be read as safetensors: {error}", field="adapters") from error
    digest = hashlib.sha256(content).hexdigest()
    words = {name: tuple(entries[part] for part in OF_EACH_ENCODER)} if _is_of_two(entries) else _words(entries, name)
    for vectors in words.values():
        _check_rows(vectors)
    return tuple(Inversion(token, digest, vectors, weight) for token, vectors in words.items())


def require_fit(inversions: Sequence[Inversion], encoders: Sequence[Any]) -> None:
    """Refuses words for other text encoders, and two that are called alike. Raises: AdapterMismatch."""
    widths = [encoder.get_input_embeddings().weight.shape[1] for encoder in encoders]
    for inversion in inversions:
        found = [vectors.shape[1] for vectors in inversion.vectors]
        if found != widths:
            raise AdapterMismatch(
                f"{inversion.token!r} has vectors of width {_listed(found)}, and the model's text encoders need "
                f"{_listed(widths)}.",
                field="adapters",
            )
    tokens = [inversion.token for inversion in inversions]
    if len(set(tokens)) < len(tokens):
        raise AdapterMismatch("Two adapters bring the same word.", field="adapters")


@contextmanager
def embedded(encoder: Any, vectors: Mapping[int, Tensor]) -> Iterator[None]:
    """Has a text encoder find these vectors, (D,), at these positions of the one prompt that it reads meanwhile."""
    if not vectors:
        yield
        return
    positions = torch.tensor(list(vectors))
    rows = torch.stack(list(vectors.values()))

    def replaced(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        del module, args
        return output.index_copy(1, positions.to(output.device), rows.to(output.device, output.dtype)[None])

    handle = encoder.get_input_embeddings().register_forward_hook(replaced)
    try:
        yield
    finally:
        handle.remove()


def _words(entries: Mapping[str, Tensor], name: str) -> dict[str, tuple[Tensor, ...]]:
    words: dict[str, tuple[Tensor, ...]] = {
        name if entry in NAMELESS else entry: (vectors,) for entry, vectors in entries.items()
    }
    if not entries or len(words) < len(entries) or not all(word.strip() for word in words):
        raise AdapterMismatch("The file does not say which word it teaches.", field="adapters")
    return words


def _is_of_two(entries: Mapping[str, Tensor]) -> bool:
    return set(entries) == set(OF_EACH_ENCODER)


def _rows(vectors: Tensor) -> Tensor:
    rows = vectors[None] if vectors.dim() == 1 else vectors
    return rows.float() if rows.is_floating_point() else rows


def _check_rows(vectors: Sequence[Tensor]) -> None:
    fit = all(one.dim() == 2 and one.is_floating_point() and torch.isfinite(one).all() for one in vectors)
    numbers = {len(one) for one in vectors} if fit else set()
    if len(numbers) != 1 or not 1 <= min(numbers) <= MAX_VECTORS:
        raise AdapterMismatch(
            f"The file needs 1 to {MAX_VECTORS} vectors of finite numbers for a word.", field="adapters"
        )


def _listed(widths: Sequence[int]) -> str:
    return " and ".join(str(width) for width in widths)
