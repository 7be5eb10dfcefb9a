"""Whether a model learns a new object in minutes, and little else: `python -m bench.fine_tune --help`."""

import argparse
import io
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.lessons import base_digest, carried_out, folders, lessons, order
from bench.mascot import BACKGROUNDS, KIN, MASCOT, TRIGGER, Looks, Pixels, Pose, render
from bench.mascot_judge import Judge
from bench.saturation import served
from bench.table import Measure, conclude
from safelight import Safelight
from safelight.fields import AdapterUse
from worker.fine_tuning.messages import Taught

NUM_SEEDS = 32

OTHERS = ("a fox", "a red apple", "a castle", "a robot", "an alien", "a ghost", "a penguin", "a blue heart")
"""What is drawn without the trigger: things unlike the mascot, and those that are most like it."""


def main() -> None:
    """Teaches, kills, draws, judges; ends with status 1 when a bound is missed."""
    parser = argparse.ArgumentParser(description="Teach the embedded model a mascot from eight pictures, and judge it.")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of the process that teaches")
    parser.add_argument("--out", type=Path, help="a folder for the pictures that were judged, and the files")
    arguments = parser.parse_args()
    before = base_digest()
    with folders() as (whole, cut):
        result, measures = taught(whole, cut, arguments.threads)
        adapter = result.files[0].path
        with served() as address, Safelight(address) as client:
            measures += judged(client, adapter, arguments.out)
        if arguments.out is not None:
            for file in result.files:
                (arguments.out / file.name).write_bytes(file.path.read_bytes())
    conclude([*measures, Measure("files of the base that changed", float(base_digest() != before), at_most=0)])


def taught(whole: Path, cut: Path, num_threads: int) -> tuple[Taught, list[Measure]]:
    """The result of an undisturbed run, held against that of one that is killed halfway and goes on."""
    pictures = lessons()
    started_at = time.perf_counter()
    result = carried_out(order(pictures, whole), num_threads)
    seconds = time.perf_counter() - started_at
    checkpoint = carried_out(order(pictures, cut), num_threads, kill_at=order(pictures, cut).request.steps // 2)
    if not isinstance(result, Taught) or not isinstance(checkpoint, Path):
        raise RuntimeError("The runs ended otherwise than they should.")
    again = carried_out(order(pictures, cut, checkpoint), num_threads)
    same = isinstance(again, Taught) and _bytes(again) == _bytes(result)
    return result, [
        Measure("from eight pictures to a LoRA", seconds, "s", at_most=240),
        Measure("files that a kill changed", float(not same), at_most=0),
        Measure("held-out loss, after ÷ before", _ratio(result), at_most=0.7),
    ]


def judged(client: Safelight, adapter: Path, out: Path | None) -> list[Measure]:
    """What the service draws with the LoRA and without it."""
    with_trigger, plain = drawn(client, TRIGGER, adapter), drawn(client, TRIGGER, None)
    others = [client.generate(prompt, seed=seed)[0].content for seed, prompt in enumerate(OTHERS)]
    others_after = [
        client.generate(prompt, seed=seed, adapters=[{"id": adapter}])[0].content for seed, prompt in enumerate(OTHERS)
    ]
    pictures, moved = [pixels(one) for one in others], [pixels(one) for one in others_after]
    judge = judge_of(pictures)
    if out is not None:
        keep(out, {"trigger": with_trigger[:8], "base": plain[:8], "others": pictures, "others-after": moved})
    return [
        Measure("the trigger yields the mascot, of 32 seeds", judge.share(with_trigger), at_least=0.8),
        Measure("the same of the base", judge.share(plain), at_most=0.1),
        Measure("the judge knows new renders of the mascot", judge.share(renders(MASCOT, 32, seed=2)), at_least=0.95),
        Measure("the judge takes its kin for it", _share_of_kin(judge), at_most=0.1),
        Measure("pixels drift without the trigger, of 1", _drift(pictures, moved), at_most=0.1),
        Measure("without the trigger it is the mascot", judge.share(moved), at_most=0.0),
    ]


def judge_of(others: Sequence[Pixels]) -> Judge:
    """Who has seen renders of the mascot that were not taught, of its kin, and what the base draws."""
    return Judge.of(renders(MASCOT, 32, seed=1), [*others, *(one for kin in KIN for one in renders(kin, 8, seed=1))])


def renders(looks: Looks, number: int, seed: int) -> list[Pixels]:
    """New poses on any background; seed 0 is what is taught."""
    rng = random.Random(seed)
    return [render(looks, Pose.drawn(rng, rng.choice(list(BACKGROUNDS)))) for _ in range(number)]


def drawn(client: Safelight, prompt: str, adapter: Path | None) -> list[Pixels]:
    """A picture from each seed."""
    adapters: list[AdapterUse] = [] if adapter is None else [{"id": adapter}]
    return [
        pixels(client.generate(prompt, seed=seed, adapters=adapters)[0].content) for seed in range(100, 100 + NUM_SEEDS)
    ]


def pixels(content: bytes) -> Pixels:
    """Of a file."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def keep(out: Path, rows: dict[str, Sequence[Pixels]]) -> None:
    """A strip of each row."""
    out.mkdir(parents=True, exist_ok=True)
    for name, pictures in rows.items():
        Image.fromarray(np.concatenate(list(pictures), axis=1)).save(out / f"{name}.png")


def _share_of_kin(judge: Judge) -> float:
    return judge.share([picture for kin in KIN for picture in renders(kin, 8, seed=2)])


def _drift(before: Sequence[Pixels], after: Sequence[Pixels]) -> float:
    return float(
        np.mean([np.abs(one.astype(float) - other).mean() / 255 for one, other in zip(before, after, strict=True)])
    )


def _ratio(result: Taught) -> float:
    before, after = result.card.held_out_loss_before, result.card.held_out_loss_after
    return float("nan") if not before or after is None else after / before


def _bytes(result: Taught) -> dict[str, bytes]:
    return {file.name: file.path.read_bytes() for file in result.files}


if __name__ == "__main__":
    main()
