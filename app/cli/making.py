"""One job from its submission to its files, or to its cancellation."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.cli import interrupts
from app.cli.outputs import replace, replace_by_preview
from app.cli.screen import Screen
from safelight import Ended, Event, Job, Previewed, Safelight, SafelightError
from safelight.fields import Fields
from safelight.outcomes import success

Show = Callable[[int, bytes], None]
"""Lets a person see what picture `index` is so far."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be made, and where each picture goes; without paths they are not saved."""

    prompt: str
    fields: Fields
    paths: Sequence[Path]
    watch: bool


class Interrupted(Exception):
    """Ctrl-C has come, and was followed as far as it could be."""


def make(client: Safelight, order: Order, screen: Screen) -> Job:
    """The job when it has succeeded and its pictures are saved. Ctrl-C cancels it.

    Raises: SafelightError, OSError, Interrupted.
    """
    job: Job | None = None
    try:
        with interrupts.deferred():
            job = client.submit(order.prompt, **order.fields)
        with screen, _watching(order, screen) as show:
            screen.begin(job)
            for event in client.events(job, previews=order.watch):
                screen.see(event)
                job = _seen(event, job, show)
            return _saved(client, job, order, show)
    except KeyboardInterrupt:
        raise Interrupted(_stopped(client, job)) from None


def _stopped(client: Safelight, job: Job | None) -> str:
    """What has become of a job that nobody waits for any more."""
    if job is None:
        return "nothing was made"
    try:
        job = client.cancel(job)
    except SafelightError as error:
        return f"{job.id} could not be cancelled, and goes on: {error}"
    return f"{job.id} had {job.status}" if job.status in ("succeeded", "failed") else f"{job.id} is cancelled"


def _seen(event: Event, job: Job, show: Show) -> Job:
    if isinstance(event, Previewed):
        show(event.index, event.content)
    return event.job if isinstance(event, Ended) else job


def _saved(client: Safelight, job: Job, order: Order, show: Show) -> Job:
    if not order.paths:
        return success(client.wait(job))
    pictures = client.pictures(job)
    for picture, path in zip(pictures, order.paths, strict=True):
        show(picture.image.index, picture.content)
        replace(path, picture.content)
    return pictures.job


@contextmanager
def _watching(order: Order, screen: Screen) -> Iterator[Show]:
    """How to show pictures as they sharpen; those in files are removed when the finished ones do not follow."""
    if not order.watch:
        yield lambda index, content: None
    elif screen.has_colours:
        yield screen.draw
    else:
        try:
            yield lambda index, content: replace_by_preview(order.paths[index], content)
        except BaseException:
            for path in order.paths:
                path.unlink(missing_ok=True)
            raise
