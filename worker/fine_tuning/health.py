"""When a run has gone wrong: what the losses of its last steps say, held against those of its first."""

import math
from collections.abc import Sequence
from statistics import median

WINDOW = 10
"""Steps whose median is looked at: a single loss depends on its timesteps more than on what was learnt."""

DIVERGED = 3.0
"""So many times the losses of the beginning, and nothing that was learnt is left."""

SOUND = 1.5
"""Up to so many times the losses of the beginning a checkpoint is worth going back to."""


def has_diverged(losses: Sequence[float]) -> bool:
    """Whether there is no use in going on."""
    return not math.isfinite(losses[-1]) or _growth(losses) > DIVERGED


def is_sound(losses: Sequence[float]) -> bool:
    """Whether what was learnt so far is worth keeping."""
    return not has_diverged(losses) and _growth(losses) <= SOUND


def _growth(losses: Sequence[float]) -> float:
    if len(losses) < 2 * WINDOW:
        return 1.0
    return median(losses[-WINDOW:]) / max(median(losses[:WINDOW]), 1e-12)
