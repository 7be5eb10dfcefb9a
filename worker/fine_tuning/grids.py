"""Sample grids: a row for each prompt, the same seeds in every grid of a run."""

from collections.abc import Sequence

import numpy as np

from contract.fine_tuning import CompleteFineTune
from contract.request import MAX_SEED
from worker.fine_tuning.method import Method
from worker.images import Pixels
from worker.png import write_png

NUM_COLUMNS = 3


def sample_seeds(request: CompleteFineTune) -> list[int]:
    """Those of the columns."""
    return [(request.seed + column) % (MAX_SEED + 1) for column in range(NUM_COLUMNS)]


def columns_of(method: Method, prompts: Sequence[str], seeds: Sequence[int]) -> list[list[Pixels]]:
    """The pictures of all prompts, for each seed."""
    return [method.sample(prompts, seed) for seed in seeds]


def grid_of(columns: Sequence[Sequence[Pixels]]) -> bytes:
    """One PNG."""
    return write_png(np.concatenate([np.concatenate(column, axis=0) for column in columns], axis=1), {})
