"""What each kind of guidance buys, and what it costs in likeness: `python -m bench.guidance`."""

import argparse
import json
import random
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from bench.guidance_judge import Judge, kept_judge
from bench.guidance_plot import draw
from bench.table import Measure, conclude
from contract.catalogue import ModelSpec, read_catalogue
from contract.request import CompleteRequest, GenerationRequest
from training.captions import Scene, caption, sample_scene
from training.configuration import read_configuration
from training.groups import GROUPS, is_pure
from training.measures import kernel_distance
from training.picture_classifier import Renders, renders_of
from worker.child import engine_of
from worker.engine import Engine
from worker.events import Failed, Finished
from worker.settings import WorkerSettings

EMPTY = ""
"""The prompt of the unconditional model."""

TRAINED = "trained conditioning"

SCALES: Mapping[str, tuple[float, ...]] = {
    TRAINED: (1.0,),
    "classifier_free": (1.5, 2.5, 5.0, 10.0),
    "cfg_pp": (0.3, 0.6, 1.0),
    "adaptive_projected": (2.5, 5.0, 10.0),
    "perturbed_attention": (1.0, 3.0),
    "classifier": (1.0, 3.0, 5.0, 8.0, 20.0),
    "universal": (3.0, 10.0, 30.0),
}
"""Scales of each kind; `classifier` and `universal` steer the unconditional model, the others follow a prompt."""

STEERED: Mapping[str, Mapping[str, Any]] = {
    "classifier": {"classifier": "emoji-groups"},
    "universal": {"classifier": "emoji-groups-pixels", "recurrence": 3},
}

FEWER: Mapping[str, int] = {"universal": 4}
"""Kinds of which a picture takes ten times as long have this part of the pictures only."""

NUM_REAL = 100
"""Real renders of each group that pictures are held against."""

MOST_DISTANCE = 3.0
"""How many times the distance of the trained conditioning steering may cost.

A distance that is too small to be measured counts as its standard error.
"""


@dataclass(frozen=True, slots=True)
class Point:
    """One kind at one scale: the share of pictures of the group asked for, their distance to real renders (KID), with
    its standard error, what a picture took, and how many there were.
    """

    kind: str
    scale: float
    accuracy: float
    distance: float
    distance_error: float
    seconds: float
    images: int


@dataclass(frozen=True)
class Exam:
    """What is asked of every kind, and who marks it. `prompts` has one for each picture, of group i mod 8."""

    engine: Engine
    spec: ModelSpec
    judge: Judge
    real: Tensor
    prompts: Sequence[str]

    def point(self, kind: str, scale: float) -> Point:
        """Draws all pictures of a kind at a scale, and marks them."""
        started_at = time.perf_counter()
        number = len(self.prompts) // FEWER.get(kind, 1)
        images = make(self.engine, [self._request(index, kind, scale) for index in range(number)])
        seconds = (time.perf_counter() - started_at) / len(images)
        verdict = self.judge.read(images)
        wanted = torch.arange(len(images)) % len(GROUPS)
        right = float((verdict.groups.argmax(1) == wanted).float().mean())
        distance, error = distance_of(verdict.features, self.real)
        return Point(kind, scale, round(right, 4), round(distance, 5), round(error, 5), round(seconds, 3), number)

    def _request(self, index: int, kind: str, scale: float) -> CompleteRequest:
        group = GROUPS[index % len(GROUPS)]
        asked: dict[str, Any] = {"prompt": EMPTY if kind in STEERED else self.prompts[index], "seed": index}
        if kind == TRAINED:
            asked["guidance_scale"] = 1.0
        elif kind in STEERED:
            asked["guidance"] = {"kind": kind, "label": group, "scale": scale, **STEERED[kind]}
        else:
            asked["guidance"] = {"kind": kind, "scale": scale}
        return self.spec.complete(GenerationRequest.model_validate(asked))


def distance_of(made: Tensor, real: Tensor, num_parts: int = 4) -> tuple[float, float]:
    """The kernel distance, and its standard error from parts of the pictures that were made, each of all groups."""
    parts = torch.tensor([kernel_distance(part, real) for part in made.chunk(num_parts)])
    return kernel_distance(made, real), float(parts.std() / num_parts**0.5)


def make(engine: Engine, requests: Sequence[CompleteRequest]) -> list[Image.Image]:
    """The pictures of these requests, all in flight at once. Raises: RuntimeError, when one fails."""
    for index, request in enumerate(requests):
        engine.add(str(index), request)
    made: dict[int, Image.Image] = {}
    while engine.has_work:
        for event in engine.step():
            if isinstance(event, Failed):
                raise RuntimeError(event.error.message)
            if isinstance(event, Finished):
                made[int(event.generation_id)] = Image.fromarray(event.picture.pixels)
    return [made[index] for index in range(len(requests))]


def pure_scenes(renders: Renders, number: int, seed: int) -> Iterator[Scene]:
    """Scenes as the model's training drew them, of those that show one group only; scene i is of group i mod 8."""
    rng = random.Random(seed)
    for index in range(number):
        while not is_pure(
            scene := sample_scene(renders.vocabulary, renders.shares, rng), renders.groups, wanted(index)
        ):
            pass
        yield scene


def wanted(index: int) -> str:
    """The group that picture `index` is to show."""
    return GROUPS[index % len(GROUPS)]


def prompts_of(renders: Renders, number: int, seed: int = 11) -> list[str]:
    """True captions of pure scenes."""
    rng = random.Random(seed)
    return [caption(scene, renders.vocabulary, rng) for scene in pure_scenes(renders, number, seed)]


def real_images(renders: Renders, number: int, seed: int = 12) -> list[Image.Image]:
    """Real renders of pure scenes."""
    rng = random.Random(seed)
    return [renders.scene(scene, rng) for scene in pure_scenes(renders, number, seed)]


def measures_of(points: Sequence[Point], judged_real: float) -> list[Measure]:
    """What is promised of the noise-aware classifier, and the figures that it rests on."""
    trained = next(point for point in points if point.kind == TRAINED)
    bound = MOST_DISTANCE * max(trained.distance, trained.distance_error)
    near = [point.accuracy for point in points if point.kind == "classifier" and point.distance <= bound]
    return [
        Measure("the judge's accuracy on real renders", judged_real, at_least=0.95),
        Measure("trained conditioning: accuracy", trained.accuracy),
        Measure("trained conditioning: KID", trained.distance),
        Measure(
            f"classifier, no prompt: best accuracy with KID ≤ {MOST_DISTANCE:g} × trained",
            max(near, default=0.0),
            at_least=0.9,
        ),
    ]


def run(exam: Exam, kinds: Sequence[str], file: Path) -> list[Point]:
    """All points of these kinds; those in the file are kept, and each new one is written when it is known."""
    known = [Point(**point) for point in json.loads(file.read_text())["points"]] if file.exists() else []
    done = {(point.kind, point.scale) for point in known}
    for kind, scale in [(name, scale) for name in kinds for scale in SCALES[name]]:
        if (kind, scale) not in done:
            known.append(exam.point(kind, scale))
            print(known[-1], flush=True)
            write(known, file)
    return known


def write(points: Sequence[Point], file: Path) -> None:
    """The points as JSON, in the order of SCALES."""
    order = list(SCALES)
    rows = sorted(points, key=lambda point: (order.index(point.kind), point.scale))
    content = {"points": [asdict(point) for point in rows]}
    file.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    """Prints the table; writes points and plot; exits with 1 when the promise is missed."""
    parser = argparse.ArgumentParser(
        description="Ask the embedded model for pictures of each group of emoji, by every kind of guidance at several "
        "scales; say how often a judge, taught on real renders only, finds the group, and how far from them the "
        "pictures are (KID). Needs what `python -m training.fetch` brings. Points in guidance.json are kept; remove it "
        "to measure anew."
    )
    parser.add_argument("--config", type=Path, default=Path("training/safelight-emoji.toml"))
    parser.add_argument(
        "--images", type=int, default=96, help="pictures a point, a multiple of 32; a quarter of universal"
    )
    parser.add_argument("--judge-steps", type=int, default=1000)
    parser.add_argument("--kinds", nargs="+", choices=list(SCALES), default=list(SCALES))
    parser.add_argument("--out", type=Path, default=Path("docs/bench"))
    arguments = parser.parse_args()
    configuration = read_configuration(arguments.config)
    renders = renders_of(configuration)
    judge = kept_judge(renders, arguments.judge_steps, configuration.work_folder / f"judge-{arguments.judge_steps}.pt")
    verdict = judge.read(real_images(renders, NUM_REAL * len(GROUPS)))
    right = (verdict.groups.argmax(1) == torch.arange(len(verdict.groups)) % len(GROUPS)).float().mean()
    with tempfile.TemporaryDirectory(prefix="sl-") as home:
        settings = WorkerSettings(home=Path(home))
        catalogue = read_catalogue(settings.catalogue)
        spec = catalogue.find(catalogue.default_model)
        exam = Exam(
            engine_of(catalogue, settings), spec, judge, verdict.features, prompts_of(renders, arguments.images)
        )
        points = run(exam, arguments.kinds, arguments.out / "guidance.json")
    draw(points, arguments.out / "guidance.webp")
    conclude(measures_of(points, float(right)))


if __name__ == "__main__":
    main()
