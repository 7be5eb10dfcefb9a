"""Which rows share a forward.

Every forward of an engine has exactly the same number of rows. Kernels choose their order of summation by the number of
rows, and by nothing else that a neighbour could change, so a picture does not depend on whom it shared a forward with.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker.generation import Generation
from worker.stepwise_pipeline import Conditioning, PromptEmbeds


@dataclass(frozen=True, eq=False, slots=True)
class Row:
    """One row of a forward: a generation at its present step, with one of its prompts."""

    generation: Generation
    embeds: PromptEmbeds


def chunks(generations: Iterable[Generation], rows_per_forward: int) -> Iterator[list[Row]]:
    """All rows, cut into what fits together and into one forward; a generation's rows stay in order."""
    by_key: dict[object, list[Row]] = {}
    for generation in generations:
        rows = by_key.setdefault(generation.batch_key, [])
        rows += [Row(generation, embeds) for embeds in generation.embeds]
    for rows in by_key.values():
        for start in range(0, len(rows), rows_per_forward):
            yield rows[start : start + rows_per_forward]


def forward(rows: Sequence[Row], rows_per_forward: int) -> list[Tensor]:
    """The network's outputs for rows that fit together, each (1, C, H, W); the last row fills up what is missing."""
    padded = [*rows, *[rows[-1]] * (rows_per_forward - len(rows))]
    outputs = rows[0].generation.pipeline.denoise(
        torch.cat([row.generation.model_input for row in padded]),
        torch.stack([row.generation.evaluation.timestep for row in padded]),
        conditioning_of(padded),
    )
    return list(torch.split(outputs, 1))[: len(rows)]


def conditioning_of(rows: Sequence[Row]) -> Conditioning:
    """What the rows are to become, one below the other."""
    pooled = [row.embeds.pooled_prompt_embeds for row in rows if row.embeds.pooled_prompt_embeds is not None]
    return Conditioning(
        torch.cat([row.embeds.prompt_embeds for row in rows]),
        torch.cat(pooled) if pooled else None,
        torch.tensor([row.generation.request.guidance_scale for row in rows]),
    )
