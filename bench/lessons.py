"""A fine-tune without the service: an order carried out by a process of its own, which can be killed on the way."""

import io
import multiprocessing
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from multiprocessing.connection import Connection
from pathlib import Path

from PIL import Image

from bench.mascot import TRIGGER, examples
from contract.catalogue import read_catalogue
from contract.datasets import DatasetPicture
from contract.fine_tuning import CompleteFineTune
from contract.recipes import RECIPES
from worker.fine_tuning.messages import Checkpointed, Failed, Lesson, Taught, Teach, ToParent

CATALOGUE = Path("models.toml")
MODEL = "safelight-emoji"
SIZE = 128


def lessons() -> tuple[Lesson, ...]:
    """The eight pictures of the mascot."""
    return tuple(Lesson(as_png(Image.fromarray(picture)), caption) for picture, caption in examples())


def as_png(picture: Image.Image) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def order(taught: tuple[Lesson, ...], folder: Path, checkpoint: Path | None = None) -> Teach:
    """What `POST /v1/fine-tunes` with a model, a data set and a trigger asks for, and no more."""
    recipe = RECIPES["lora"]
    request = CompleteFineTune(
        model=MODEL,
        dataset=f"ds_{'0' * 32}",
        method="lora",
        trigger=TRIGGER,
        steps=recipe.steps,
        learning_rate=recipe.learning_rate,
        resolution=SIZE,
        seed=7,
        sample_every=-(-recipe.steps // 8),
        checkpoint_every=-(-recipe.steps // 8),
        pictures=tuple(_recorded(place, lesson) for place, lesson in enumerate(taught)),
        dataset_digest=sha256(b"".join(lesson.picture for lesson in taught)).hexdigest(),
    )
    return Teach(request, taught, folder, checkpoint)


def carried_out(asked: Teach, num_threads: int, kill_at: int | None = None) -> Taught | Path:
    """What comes of an order; where it is killed, at the first checkpoint of so many steps, the checkpoint.

    Raises: RuntimeError.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_learn, args=(theirs, asked, num_threads))
    process.start()
    theirs.close()
    try:
        for message in _heard(ours):
            if isinstance(message, Checkpointed) and kill_at is not None and message.step >= kill_at:
                return message.path
            if isinstance(message, Taught):
                return message
            if isinstance(message, Failed):
                raise RuntimeError(message.failure.message)
    finally:
        process.kill()
        process.join()
    raise RuntimeError("the process that teaches has died")


@contextmanager
def folders() -> Iterator[tuple[Path, Path]]:
    """Two, for two runs."""
    with tempfile.TemporaryDirectory(prefix="sl-") as one, tempfile.TemporaryDirectory(prefix="sl-") as other:
        yield Path(one), Path(other)


def base_digest() -> str:
    """Of every file of the model."""
    folder = CATALOGUE.parent / "models" / MODEL
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return sha256(b"".join(sha256(path.read_bytes()).digest() for path in files)).hexdigest()


def _heard(connection: Connection) -> Iterator[ToParent]:
    while True:
        try:
            yield connection.recv()
        except EOFError:
            return


def _learn(connection: Connection, asked: Teach, num_threads: int) -> None:
    import torch

    from worker.fine_tuning.teaching import teach

    torch.set_num_threads(num_threads)
    catalogue = read_catalogue(CATALOGUE)
    teach(asked, catalogue.find(asked.request.model), catalogue, connection.send)
    # The pipe is read to its end before this process is.
    connection.close()


def _recorded(place: int, lesson: Lesson) -> DatasetPicture:
    return DatasetPicture(
        index=place,
        place=str(place),
        file_name=f"{place}.png",
        caption=lesson.caption,
        width=SIZE,
        height=SIZE,
        sha256=sha256(lesson.picture).hexdigest(),
        size_bytes=len(lesson.picture),
    )
