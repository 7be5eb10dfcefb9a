"""Whether a model learns a new object in minutes, and little else: `python -m bench.fine_tune --help`."""

import argparse
import io
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from bench.dense_predictions import measured as maps
from bench.lessons import base_digest, taught
from bench.mascot import BACKGROUNDS, KIN, MASCOT, TRIGGER, Looks, Pixels, Pose, render
from bench.mascot_judge import Judge
from bench.saturation import served
from bench.table import Measure, conclude
from safelight import Safelight
from safelight.fields import AdapterUse
from training.configuration import read_configuration
from training.dense_maps import read_things

NUM_SEEDS = 32

OTHERS = ("a fox", "a red apple", "a castle", "a robot", "an alien", "a ghost", "a penguin", "a blue heart")
"""What is drawn without the trigger: things unlike the mascot, and those that are most like it."""


def main() -> None:
    """Teaches, kills, draws, judges; ends with status 1 when a bound is missed."""
    parser = argparse.ArgumentParser(
        description="Start the whole service, teach its model a mascot from eight pictures, and judge what came of it; "
        "then teach it maps of pictures in two ways (python -m bench.dense_predictions has that alone)."
    )
    parser.add_argument("--pictures", type=int, default=40, help="made alone and beside a fine-tune, for their p95")
    parser.add_argument("--config", type=Path, default=Path("training/safelight-emoji.toml"), help="where sprites are")
    parser.add_argument("--out", type=Path, help="a folder for the pictures that were judged")
    arguments = parser.parse_args()
    configuration = read_configuration(arguments.config)
    read_things(configuration, held_out=True, most=1)  # What is missing is better missed now.
    before = base_digest()
    with served() as address, Safelight(address) as client:
        tune, measures = taught(client, arguments.pictures)
        measures += judged(client, tune.id, arguments.out)
    measures.append(Measure("files of the base that changed", float(base_digest() != before), at_most=0))
    conclude([*measures, *maps(configuration)])


def judged(client: Safelight, adapter: str, out: Path | None) -> list[Measure]:
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


def drawn(client: Safelight, prompt: str, adapter: str | None) -> list[Pixels]:
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


if __name__ == "__main__":
    main()
