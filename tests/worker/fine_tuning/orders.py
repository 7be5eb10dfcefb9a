"""Orders to teach tiny models, and what was told of them."""

import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from contract.catalogue import Catalogue
from contract.datasets import DatasetPicture
from contract.fine_tuning import CompleteFineTune
from tests.worker.engines import spec_of
from worker.fine_tuning.messages import Checkpointed, Lesson, Taught, Teach, ToParent
from worker.fine_tuning.teaching import teach

SIZES = ((64, 64), (100, 50), (40, 90))


class Interrupted(BaseException):
    """As if the process had been killed."""


def lesson(caption: str, number: int, size: tuple[int, int] = (64, 64)) -> Lesson:
    """A picture with a disc somewhere."""
    rng = random.Random(number)
    colour, other = (tuple(rng.randrange(256) for _ in range(3)) for _ in range(2))
    picture = Image.new("RGB", size, colour)
    x, y = rng.randrange(size[0] // 2), rng.randrange(size[1] // 2)
    ImageDraw.Draw(picture).ellipse((x, y, x + size[0] // 2, y + size[1] // 2), fill=other)
    file = io.BytesIO()
    picture.save(file, "PNG")
    return Lesson(file.getvalue(), caption)


def lessons(number: int = 3) -> tuple[Lesson, ...]:
    return tuple(lesson(f"zorbling {place}", place, SIZES[place % len(SIZES)]) for place in range(number))


def request(**changes: object) -> CompleteFineTune:
    """A small one, with these changes."""
    picture = DatasetPicture(
        index=0, place="0", file_name="a.png", caption="", width=64, height=64, sha256="0" * 64, size_bytes=1
    )
    usual: dict[str, object] = {
        "model": "tiny",
        "dataset": "ds_" + "0" * 32,
        "method": "lora",
        "trigger": "zorbling",
        "steps": 4,
        "rank": 2,
        "learning_rate": 1e-3,
        "batch_size": 2,
        "resolution": 64,
        "seed": 7,
        "sample_every": 4,
        "checkpoint_every": 2,
        "pictures": (picture,),
        "dataset_digest": "0" * 64,
    }
    return CompleteFineTune.model_validate(usual | changes)


def taught(
    folder: Path,
    model: Path,
    told: Sequence[Lesson] | None = None,
    checkpoint: Path | None = None,
    hear: Callable[[ToParent], None] = lambda message: None,
    **changes: object,
) -> list[ToParent]:
    """All that was said of an order, the result last; `hear` may interrupt it."""
    heard: list[ToParent] = []

    def tell(message: ToParent) -> None:
        heard.append(message)
        hear(message)

    folder.mkdir(exist_ok=True)
    order = Teach(request(**changes), tuple(told or lessons()), folder, checkpoint)
    teach(order, spec_of(model), Catalogue.model_construct(), tell)
    return heard


def contents(message: ToParent) -> dict[str, bytes]:
    """The bytes of a result's files."""
    assert isinstance(message, Taught)
    return {file.name: file.path.read_bytes() for file in message.files}


def interrupted_at(step: int) -> Callable[[ToParent], None]:
    """Ends the run just after the checkpoint of this step."""

    def hear(message: ToParent) -> None:
        if isinstance(message, Checkpointed) and message.step == step:
            raise Interrupted

    return hear
