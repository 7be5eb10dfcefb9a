"""What the end-to-end recipe promises: its loss, its input, and that a step of it teaches the network what a map is."""

import random
import tomllib
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from PIL import Image, ImageDraw

from contract.catalogue import Catalogue
from contract.errors import InvalidRequest
from contract.rows import LocalSource
from tests.taught_requests import taught_request
from tests.tiny_catalogue import CATALOGUE
from tests.tiny_models import build_embedded_layout, build_stable_diffusion
from worker.components import ModelFolder
from worker.devices import Placement
from worker.fine_tuning.image_conditional import ImageConditional, MapMaker, widened
from worker.fine_tuning.map_losses import MAP_LOSSES, affine_invariant_error, aligned, angles
from worker.fine_tuning.messages import Lesson, Sampled, Taught, Teach, ToParent
from worker.fine_tuning.method import Curriculum
from worker.fine_tuning.teaching import teach
from worker.pipelines.stable_diffusion import StableDiffusion

CPU = Placement(torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    build_embedded_layout(folder)
    return folder


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "png")
    return file.getvalue()


def lesson(seed: int) -> Lesson:
    """A white square somewhere; the map is white where the picture is not."""
    draw = random.Random(seed)
    picture, target = Image.new("RGB", (64, 64), "black"), Image.new("RGB", (64, 64), "white")
    left, top = draw.randint(0, 40), draw.randint(0, 40)
    ImageDraw.Draw(picture).rectangle((left, top, left + 24, top + 24), fill="white")
    ImageDraw.Draw(target).rectangle((left, top, left + 24, top + 24), fill="black")
    return Lesson(png(picture), "", png(target))


def curriculum(folder: Path, lessons: int = 6, **fields: Any) -> Curriculum:
    model = StableDiffusion.load(ModelFolder(folder, CPU))
    request = taught_request(**fields)
    spec = Catalogue.model_validate(tomllib.loads(CATALOGUE)).models[0]
    return Curriculum(request, spec, model, tuple(lesson(seed) for seed in range(lessons)))


def taught(method: ImageConditional, first: int, last: int) -> ImageConditional:
    optimiser = torch.optim.AdamW(method.parameters(), lr=1.0)
    for step in range(first, last):
        optimiser.param_groups[0]["lr"] = method.learning_rate(step)
        optimiser.zero_grad()
        method.loss(step).backward()
        optimiser.step()
    return method


def test_a_widened_network_says_of_the_same_thing_twice_what_the_narrow_one_said(folder: Path) -> None:
    network = StableDiffusion.load(ModelFolder(folder, CPU)).network
    before = {name: value.clone() for name, value in network.state_dict().items()}
    latents, states = torch.randn(2, 4, 8, 8), torch.randn(2, 16, 32)
    wide = widened(network)
    with torch.no_grad():
        expected = network(latents, 999, encoder_hidden_states=states).sample
        found = wide(torch.cat([latents, latents], 1), 999, encoder_hidden_states=states).sample
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_depth_is_judged_up_to_scale_and_shift() -> None:
    true = torch.rand(2, 1, 9, 7)
    assert affine_invariant_error(true * 0.3 - 2, true) < 1e-4
    noisy = true + 0.1 * torch.randn(true.shape)
    rows = torch.stack([noisy[1].flatten(), torch.ones(63)], dim=1)
    solution = torch.linalg.lstsq(rows, true[1].flatten()[:, None]).solution
    torch.testing.assert_close(aligned(noisy, true)[1].flatten(), (rows @ solution).flatten(), atol=1e-3, rtol=1e-3)
    flat = torch.zeros(1, 1, 4, 4, requires_grad=True)
    affine_invariant_error(flat, true[:1, :, :4, :4]).backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all(), "a flat map has no scale, and must not break the run"


def test_normals_are_judged_by_their_angle() -> None:
    right, up = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([0, 2.0, 0]).view(1, 3, 1, 1)
    assert float(angles(right, up)) == pytest.approx(np.pi / 2, abs=1e-4)
    assert float(angles(right, right * 5)) < 0.02
    same = torch.nn.functional.normalize(torch.randn(1, 3, 4, 4), dim=1).requires_grad_()
    angles(same, same.detach()).mean().backward()
    assert same.grad is not None
    assert same.grad.isfinite().all()


@pytest.mark.parametrize("task", ["depth", "normals", "edges", "segmentation"])
def test_a_right_map_is_better_than_a_wrong_one(task: Any) -> None:
    true = torch.where(torch.rand(1, 3, 8, 8) > 0.5, 0.9, -0.9)
    assert MAP_LOSSES[task](true, true) < MAP_LOSSES[task](-true + 0.1 * torch.randn(true.shape), true)


@pytest.mark.parametrize("objective", ["end_to_end", "diffusion"])
def test_what_is_taught_is_learnt(folder: Path, objective: str) -> None:
    method = ImageConditional(curriculum(folder, objective=objective))
    before = method.held_out_loss()
    assert method.held_out_loss() == before
    assert taught(method, 0, 40).held_out_loss() < 0.9 * before


def test_an_interrupted_run_goes_on_to_the_same_weights(folder: Path) -> None:
    """The optimiser's state is the loop's; without momentum there is none, and a step is the gradient alone."""
    runs = [ImageConditional(curriculum(folder, steps=4)) for _ in range(3)]

    def descend(method: ImageConditional, steps: range) -> None:
        for step in steps:
            gradients = torch.autograd.grad(method.loss(step), list(method.parameters()), allow_unused=True)
            with torch.no_grad():
                for one, gradient in zip(method.parameters(), gradients, strict=True):
                    if gradient is not None:
                        one.sub_(method.learning_rate(step) * gradient)

    descend(runs[0], range(4))
    descend(runs[1], range(2))
    runs[2].load({name: value.clone() for name, value in runs[1].state().items()})
    descend(runs[2], range(2, 4))
    assert all(torch.equal(value, runs[0].state()[name]) for name, value in runs[2].state().items())


def test_the_result_is_a_network_that_diffusers_loads(folder: Path, tmp_path: Path) -> None:
    method = taught(ImageConditional(curriculum(folder)), 0, 2)
    files = method.files(tmp_path)
    assert {file.name for file in files} == {"config.json", "diffusion_pytorch_model.safetensors"}
    loaded = UNet2DConditionModel.from_pretrained(tmp_path, use_safetensors=True)
    assert loaded.config.in_channels == 8
    assert all(torch.equal(value, method.state()[name]) for name, value in loaded.state_dict().items())


def test_samples_show_the_picture_its_map_and_the_truth(folder: Path) -> None:
    method = ImageConditional(curriculum(folder))
    rows = method.sample(("", ""), seed=1)
    assert [row.shape for row in rows] == [(64, 192, 3)] * 2
    assert (rows[0][:, :64] == np.asarray(Image.open(BytesIO(lesson(1).picture)))).all()
    assert (rows[0][..., 0] == rows[0][..., 1])[:, 64:].all(), "depth is grey"


def test_an_order_is_carried_out_like_any_other(folder: Path, tmp_path: Path) -> None:
    given = curriculum(folder, lessons=10, steps=4, sample_every=2)
    told: list[ToParent] = []
    row = given.spec.model_copy(update={"source": LocalSource(path=folder)})
    teach(
        Teach(given.request, given.lessons, tmp_path), row, Catalogue(default_model="tiny", models=(row,)), told.append
    )
    assert [message.step for message in told if isinstance(message, Sampled)] == [0, 2, 4]
    result = told[-1]
    assert isinstance(result, Taught)
    assert [file.layout for file in result.files] == ["model", "model"]
    assert result.card.held_out == "pictures"
    assert result.card.measures["map_error"] > 0
    assert result.card.drift is result.card.memorised is None


def test_a_picture_without_a_map_is_refused(folder: Path) -> None:
    given = curriculum(folder)
    with pytest.raises(InvalidRequest) as refusal:
        ImageConditional(replace(given, lessons=(*given.lessons, Lesson(given.lessons[0].picture, ""))))
    assert refusal.value.field == "dataset"


def test_one_step_is_what_the_scheduler_of_diffusers_makes_of_it(tmp_path: Path) -> None:
    """Also where the last timestep keeps some signal, and the network predicts noise."""
    build_stable_diffusion(tmp_path, in_channels=8)
    model = StableDiffusion.load(ModelFolder(tmp_path, CPU))
    scheduler = DDIMScheduler.from_pretrained(tmp_path, subfolder="scheduler", timestep_spacing="trailing")
    scheduler.set_timesteps(1)
    assert scheduler.timesteps.tolist() == [999]
    beside, zeros, states = torch.randn(1, 4, 8, 8), torch.zeros(1, 4, 8, 8), torch.randn(1, 16, 32)
    with torch.no_grad():
        output = model.network(torch.cat([zeros, beside], 1), 999, encoder_hidden_states=states).sample
        clean = scheduler.step(output, 999, zeros).prev_sample
        found = MapMaker(model, states).draw(beside, zeros, 1)
        torch.testing.assert_close(found, model.decode_latents(clean), atol=1e-4, rtol=1e-4)
