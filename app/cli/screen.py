"""What a person sees on the terminal while a job runs: a bar, and, if asked for, the pictures as they sharpen."""

from io import BytesIO
from types import TracebackType
from typing import Self

from PIL import Image
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.segment import Segments

from app.cli.half_blocks import half_blocks
from safelight import Event, Job, Progressed, Queued, Started

COLUMNS = (
    TextColumn("{task.description}"),
    BarColumn(),
    MofNCompleteColumn(),
    TextColumn("{task.fields[eta]}"),
)


class Screen:
    """A bar with pictures above it, where messages go to a terminal; else nothing."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(*COLUMNS)
        self._task = self._progress.add_task("waiting", total=None, eta="")
        self._pictures: dict[int, Image.Image] = {}
        self._drawn = Segments([])
        self._live = Live(get_renderable=self._render, console=self._console, transient=True)

    @property
    def has_colours(self) -> bool:
        """Whether pictures can be drawn on it."""
        console = self._console
        return console.is_terminal and console.color_system is not None and not console.no_color

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
        if kind is None and self._pictures:
            self._console.print(self._drawn)

    def begin(self, job: Job) -> None:
        """Says how long the bar is, and what the job waits for."""
        place = "" if job.queue_position is None else f" at {job.queue_position}"
        self._progress.update(self._task, description=f"waiting{place}", total=job.progress.total_steps)

    def see(self, event: Event) -> None:
        """Moves the bar."""
        match event:
            case Queued():
                self._progress.update(self._task, description="waiting")
            case Started(attempt=attempt):
                self._progress.update(self._task, description="making" if attempt == 1 else f"making, try {attempt}")
            case Progressed(progress=progress):
                eta = "" if progress.eta_seconds is None else f"{progress.eta_seconds:.0f} s"
                self._progress.update(self._task, completed=progress.step, eta=eta)

    def draw(self, index: int, content: bytes) -> None:
        """Shows a picture, or what it is so far, in its place."""
        self._pictures[index] = Image.open(BytesIO(content)).convert("RGB")
        pictures = [picture for _, picture in sorted(self._pictures.items())]
        self._drawn = half_blocks(pictures, self._console.width)

    def _render(self) -> Group:
        return Group(self._drawn, self._progress)
