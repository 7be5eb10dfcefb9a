"""When one execution will end: from what was predicted at first, and more and more from its own steps."""

MEMORY_STEPS = 6
"""After this many steps, what was believed before them counts for a third."""


class StepRate:
    """Seconds per denoising step of one execution, as a moving mean. Not for several threads."""

    def __init__(self, first_step: int, seconds_per_step: float | None, now: float) -> None:
        self._seconds_per_step = seconds_per_step
        self._seen_step = first_step
        self._seen_at = now

    def saw(self, step: int, now: float) -> None:
        """The execution is at this step. Steps that come together, as those of several images do, are one sight."""
        num_steps = step - self._seen_step
        if num_steps <= 0:
            return
        seen = (now - self._seen_at) / num_steps
        self._seen_step, self._seen_at = step, now
        if self._seconds_per_step is None:
            self._seconds_per_step = seen
        share = (1 - 1 / MEMORY_STEPS) ** num_steps
        self._seconds_per_step = share * self._seconds_per_step + (1 - share) * seen

    def eta_seconds(self, steps_left: int) -> float | None:
        """Seconds for so many steps; None before anything is known."""
        return None if self._seconds_per_step is None else round(self._seconds_per_step * steps_left, 3)
