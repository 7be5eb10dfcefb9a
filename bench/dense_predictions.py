"""Maps in one step, against ten steps of diffusion and the wrong spacing: `python -m bench.dense_predictions`.

The embedded model is taught both ways from the same drawn scenes, for as many seconds of the processor; judged are
scenes of other sprites. Sprites come from packages: `python -m training.fetch` brings them.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from contract.catalogue import ModelSpec, read_catalogue
from contract.datasets import DatasetPicture
from contract.fine_tuning import CompleteFineTune, Objective
from contract.maps import Task
from training.configuration import read_configuration
from training.dense_maps import MAPS, read_things, scenes
from training.dense_scenes import FARTHEST, NEAREST, DenseScene
from worker.devices import Placement
from worker.fine_tuning.image_conditional import DIFFUSION_STEPS, ImageConditional, MapMaker
from worker.fine_tuning.map_losses import aligned, angles
from worker.fine_tuning.messages import Lesson
from worker.fine_tuning.method import Curriculum
from worker.inputs import tensor_of
from worker.loading import load_pipeline
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.settings import WorkerSettings
from worker.trained_noise import DiffusionNoise

SAME_DEPTH = 1.25
"""Depths that differ by less than this factor count as right. Source: Eigen et al. 2014, arXiv:1406.2283, section 4."""


class Score(NamedTuple):
    """`error` is the mean of |depth − true| / true, after the best scale and shift, or the mean angle in degrees;
    `right` the share of pixels whose depth is within `SAME_DEPTH`, or whose angle is below 30 degrees. Seconds are the
    processor's, so that what else runs on the machine counts for nothing.
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
    """How much is taught, and looked at."""

    task: Task
    steps: int
    scenes: int
    judged: int
    learning_rate: float
    batch_size: int
    seed: int


def main() -> None:
    """Exits with 1 where one step does not win in error and in time."""
    parser = argparse.ArgumentParser(description="Teach the embedded model maps of pictures in two ways, and compare.")
    parser.add_argument("--config", type=Path, default=Path("training/safelight-emoji.toml"))
    parser.add_argument("--task", choices=("depth", "normals"), default="depth")
    parser.add_argument("--steps", type=int, default=200, help="of the end-to-end fine-tune")
    parser.add_argument("--scenes", type=int, default=400)
    parser.add_argument("--judged", type=int, default=32, help="scenes of sprites that were not taught")
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    arguments = vars(parser.parse_args())
    config = arguments.pop("config")
    sys.exit(0 if compare(Plan(**arguments), config) else 1)


def compare(plan: Plan, config: Path) -> bool:
    """Prints what both ways come to; whether one step wins."""
    configuration = read_configuration(config)
    taught = list(scenes(read_things(configuration, held_out=False, most=300), plan.scenes, plan.seed))
    judged = list(scenes(read_things(configuration, held_out=True, most=100), plan.judged, plan.seed + 1))
    spec = _spec()
    method, seconds = _taught(plan, spec, taught, "end_to_end")
    baseline, _ = _taught(plan, spec, taught, "diffusion", seconds)
    ways = (
        Way("end to end, 1 step", method.maker, 1, from_noise=False),
        Way("the same, leading spacing", _leading(method.maker), 1, from_noise=False),
        Way(f"diffusion, {DIFFUSION_STEPS} steps", baseline.maker, DIFFUSION_STEPS, from_noise=True),
        Way("diffusion, 1 step", baseline.maker, 1, from_noise=True),
    )
    scores = [score(way, judged, plan) for way in ways]
    unit = "AbsRel" if plan.task == "depth" else "degrees"
    for way, one in zip(ways, scores, strict=True):
        print(f"{way.name:28} {unit} {one.error:7.3f}  right {one.right:6.1%}  {one.seconds * 1000:6.0f} CPU ms")
    own, leading, slow, _ = scores
    return own.error < min(leading.error, slow.error) and own.seconds < slow.seconds


def _spec() -> ModelSpec:
    catalogue = read_catalogue(WorkerSettings().catalogue)
    return catalogue.find(catalogue.default_model)


def _taught(
    plan: Plan, spec: ModelSpec, drawn: Sequence[DenseScene], objective: Objective, seconds: float | None = None
) -> tuple[ImageConditional, float]:
    """What is taught in the plan's steps, or in so many seconds of this objective's own; and how many it took."""
    model = load_pipeline(spec, Placement(torch.device("cpu"), torch.float32))
    assert isinstance(model, StableDiffusion)
    model.network.to(memory_format=torch.channels_last)
    lessons = tuple(_lesson(scene, plan.task) for scene in drawn)
    request = _request(plan, objective, len(drawn))
    if seconds is not None:
        request = request.model_copy(update={"steps": _steps_in(seconds, Curriculum(request, spec, model, lessons))})
    method = ImageConditional(Curriculum(request, spec, model, lessons))
    print(
        f"{objective}: {request.steps} steps of {plan.batch_size}; held-out loss {method.held_out_loss():.4f}", end=""
    )
    started = time.process_time()
    _run(method, request.steps)
    took = time.process_time() - started
    print(f" → {method.held_out_loss():.4f} in {took:.0f} CPU seconds", flush=True)
    return method, took


def _steps_in(seconds: float, curriculum: Curriculum, tried: int = 5) -> int:
    method = ImageConditional(replace(curriculum, lessons=curriculum.lessons[:8]))
    _run(method, 1)
    started = time.process_time()
    _run(method, tried)
    return max(1, int(seconds / (time.process_time() - started) * tried))


def _run(method: ImageConditional, steps: int) -> None:
    optimizer = torch.optim.AdamW(method.parameters())
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = method.learning_rate(step)
        optimizer.zero_grad()
        method.loss(step).backward()
        torch.nn.utils.clip_grad_norm_(method.parameters(), 1.0)
        optimizer.step()


def _request(plan: Plan, objective: Objective, number: int) -> CompleteFineTune:
    sizes = {"width": 128, "height": 128, "size_bytes": 1}
    picture = DatasetPicture(index=0, place="0", file_name="0.png", caption="", sha256="0" * 64, **sizes)
    return CompleteFineTune(
        model="safelight-emoji",
        dataset="ds_" + "0" * 32,
        method="image_conditional",
        task=plan.task,
        objective=objective,
        steps=plan.steps,
        learning_rate=plan.learning_rate,
        batch_size=plan.batch_size,
        resolution=128,
        seed=plan.seed,
        sample_every=plan.steps,
        checkpoint_every=plan.steps,
        pictures=(picture,) * number,
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
    return float(degrees.mean()), float((degrees < 30).float().mean())


if __name__ == "__main__":
    main()
