"""A prediction's log: a line a step, in the shape from which Replicate's clients draw their bars, then warnings.

Nothing of it is stored: how far the job is says it all.
Source: replicate-python, `replicate/prediction.py`, `Progress`, which reads the last line that tqdm could have written.
"""

from contract.job import Job

WIDTH = 10
"""Blocks in a bar."""

EIGHTHS = " ▏▎▍▌▋▊▉█"


def log_of(job: Job) -> str:
    """All of it, up to now."""
    return steps(0, job.progress.step, job.progress.total_steps) + closing(job)


def steps(done: int, now: int, total: int) -> str:
    """The lines of the steps after `done` up to `now`."""
    return "".join(_line(step, total) for step in range(done + 1, now + 1))


def closing(job: Job) -> str:
    """The lines behind those of the steps."""
    return "".join(f"warning: {warning}\n" for warning in job.warnings)


def _line(step: int, total: int) -> str:
    full, part = divmod(8 * WIDTH * step // total, 8)
    bar = (EIGHTHS[8] * full + EIGHTHS[part] * bool(part)).ljust(WIDTH)
    return f"{100 * step // total:3d}%|{bar}| {step}/{total}\n"
