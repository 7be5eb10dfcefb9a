"""The mascot taught over the API: undisturbed, beside pictures that somebody waits for, and killed on the way."""

import io
import time
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from statistics import median

import psutil
from PIL import Image

from bench.mascot import TRIGGER, examples
from bench.quantiles import p95
from bench.table import Measure
from safelight import Safelight
from safelight.fine_tunes import FineTune, Kept, Stepped, Teaching

MODEL_FOLDER = Path("models/safelight-emoji")

PROMPT, NUM_STEPS = "a red apple", 20


def taught(client: Safelight, num_pictures: int) -> tuple[FineTune, list[Measure]]:
    """The first of two equal fine-tunes, which had the machine to itself, and what both have shown.

    Raises: RuntimeError, where one ends otherwise than it should, or too soon.
    """
    dataset = client.create_dataset(lessons(), name="mascot")
    asked: Teaching = {"dataset": dataset.id, "method": "lora", "trigger": TRIGGER, "seed": 7}
    alone = seconds_of_pictures(client, num_pictures)
    whole = succeeded(client.taught(client.teach(**asked)))
    second = client.teach(**asked)
    beside = disturbed(client, second, num_pictures)
    again = succeeded(client.taught(second))
    card = whole.result.card if whole.result else None
    if whole.started_at is None or whole.finished_at is None or card is None or not card.held_out_loss_before:
        raise RuntimeError(f"{whole.id} does not say what became of it")
    return whole, [
        Measure(
            "from eight pictures to a LoRA", (whole.finished_at - whole.started_at).total_seconds(), "s", at_most=240
        ),
        Measure(
            "held-out loss, after ÷ before", (card.held_out_loss_after or 0) / card.held_out_loss_before, at_most=0.7
        ),
        Measure("files that a kill changed", float(digests(again) != digests(whole)), at_most=0),
        Measure("p95 of a picture, alone", p95(alone), "s"),
        Measure("p95 of a picture beside a fine-tune ÷ alone", p95(beside) / p95(alone), at_most=1.5),
        Measure("median of a picture beside a fine-tune ÷ alone", median(beside) / median(alone)),
    ]


def lessons() -> dict[str, bytes]:
    """The eight pictures of the mascot and their captions, as files."""
    files: dict[str, bytes] = {}
    for place, (picture, caption) in enumerate(examples()):
        file = io.BytesIO()
        Image.fromarray(picture).save(file, "PNG")
        files |= {f"{place}.png": file.getvalue(), f"{place}.txt": caption.encode()}
    return files


def seconds_of_pictures(client: Safelight, number: int) -> list[float]:
    """What each of so many takes, one after the other."""
    taken = []
    for seed in range(number):
        began = time.perf_counter()
        client.generate(PROMPT, num_inference_steps=NUM_STEPS, seed=1000 + seed)
        taken.append(time.perf_counter() - began)
    return taken


def disturbed(client: Safelight, tune: FineTune, num_pictures: int) -> list[float]:
    """What pictures take beside a fine-tune that learns; it is killed at the first checkpoint from its half on."""
    taken: list[float] = []
    for event in client.fine_tune_events(tune):
        if isinstance(event, Stepped) and not taken:
            taken = seconds_of_pictures(client, num_pictures)
            if client.fine_tune(tune).ended:
                raise RuntimeError("the fine-tune was over before the pictures were")
        if isinstance(event, Kept) and event.step >= tune.request["steps"] // 2:
            kill_who_learns()
            return taken
    raise RuntimeError("the fine-tune has ended undisturbed")


def kill_who_learns() -> None:
    """Ends the process that learns, which is the last that the one that teaches has started."""
    ours = psutil.Process().children(recursive=True)
    teacher = min((one for one in ours if "worker.fine_tuning" in one.cmdline()), key=psutil.Process.create_time)
    max(teacher.children(recursive=True), key=psutil.Process.create_time).kill()


def succeeded(tune: FineTune) -> FineTune:
    """The same. Raises: RuntimeError, where it has not."""
    if tune.status != "succeeded":
        raise RuntimeError(f"{tune.id} is {tune.status}: {tune.error}")
    return tune


def digests(tune: FineTune) -> Sequence[str]:
    """What was learnt, to the byte."""
    return [file.sha256 for file in tune.result.files] if tune.result else []


def base_digest() -> str:
    """Of every file of the model."""
    files = sorted(path for path in MODEL_FOLDER.rglob("*") if path.is_file())
    return sha256(b"".join(sha256(path.read_bytes()).digest() for path in files)).hexdigest()
