"""ControlNet and IP-Adapter: what diffusers would make, for the rows that ask for them and for no others."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from diffusers import (
    ControlNetModel,
    MultiControlNetModel,
    StableDiffusionControlNetPipeline,
    StableDiffusionPipeline,
    StableDiffusionXLControlNetPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image
from torch import Tensor

from contract.adapter_specs import AdapterSpec
from contract.adapters import AdapterKind, ControlUse, ImagePrompt
from contract.catalogue import Family
from contract.errors import AdapterMismatch, ModelUnavailable, SafelightError, UnknownAdapter
from contract.inputs import ImageReference
from contract.request import CompleteRequest
from contract.rows import LocalSource
from tests.tiny_adapters import build_controlnet, build_ip_adapter
from tests.worker.engines import Held, RecordsLatents, asked, cpu_pipeline, pictures, run, sizes
from tests.worker.oracles import diffusers_latents, oracle
from worker.adapters import Adapters
from worker.engine import Engine
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers on NumPy 2

STEPS = 4
FILE = ImageReference("file_" + "0" * 32)
OTHER = ImageReference("file_" + "1" * 32)


class Model(NamedTuple):
    """A model with two control networks and an image prompt beside it."""

    folder: Path
    family: Family
    ours: StepwisePipeline
    specs: Sequence[AdapterSpec]

    def engine(self, pipeline: StepwisePipeline, *buckets: int) -> Engine:
        models = Held({"tiny": pipeline})
        return Engine(models, sizes(*buckets), adapters=Adapters(self.specs, models))

    def latents(self, request: CompleteRequest) -> Tensor:
        recording = RecordsLatents(self.ours)
        engine = self.engine(recording, 2)
        engine.add("one", request, INPUTS)
        run(engine)
        return recording.decoded[0]

    def pictures(self, requests: Sequence[CompleteRequest]) -> dict[str, Any]:
        engine = self.engine(self.ours, 4)
        for index, request in enumerate(requests):
            engine.add(str(index), request, INPUTS)
        return dict(pictures(run(engine)))


def picture(seed: int, size: int = 64) -> Image.Image:
    draw = np.random.default_rng(seed)
    return Image.fromarray(draw.integers(0, 256, (size, size, 3), dtype=np.uint8))


def png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


INPUTS = {str(FILE): png(picture(1)), str(OTHER): png(picture(2, 48))}


def spec(name: str, kind: AdapterKind, folder: Path) -> AdapterSpec:
    named = kind == "ip_adapter"
    return AdapterSpec(
        id=name,
        kind=kind,
        models=("tiny",),
        source=LocalSource(path=folder),
        file="ip-adapter.safetensors" if named else None,
        image_encoder="image_encoder" if named else None,
        owned_by="tests",
        licence="none",
        created=0,
    )


def model(folder: Path, family: Family, place: Path) -> Model:
    ours = cpu_pipeline(folder, family)
    unet = ours.parts["unet"]
    for seed, name in enumerate(("edges", "depth")):
        build_controlnet(place / name, unet, seed)
    build_ip_adapter(place / "by-example", unet)
    build_ip_adapter(place / "by-patches", unet, plus=True)
    specs = [
        spec("edges", "controlnet", place / "edges"),
        spec("depth", "controlnet", place / "depth"),
        spec("by-example", "ip_adapter", place / "by-example"),
        spec("by-patches", "ip_adapter", place / "by-patches"),
    ]
    return Model(folder, family, ours, specs)


@pytest.fixture(scope="module")
def sd(epsilon_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return model(epsilon_folder, "stable_diffusion", tmp_path_factory.mktemp("sd"))


@pytest.fixture(scope="module")
def xl(xl_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return model(xl_folder, "stable_diffusion_xl", tmp_path_factory.mktemp("xl"))


def use(name: str = "edges", image: ImageReference = FILE, **changes: Any) -> ControlUse:
    return ControlUse(id=name, image=image, **changes)


def wanted(**changes: object) -> CompleteRequest:
    return asked(num_inference_steps=STEPS, **changes)


def assert_near(ours: Tensor, theirs: Tensor, base: Tensor) -> None:
    """Equal but for rounding, and far from what the model makes by itself."""
    size = theirs.abs().max().item()
    assert (ours - theirs).abs().max().item() <= 2e-6 * size
    assert (ours - base).abs().max().item() >= 1e-2 * size


PIPELINES: dict[Family, Any] = {
    "stable_diffusion": StableDiffusionControlNetPipeline,
    "stable_diffusion_xl": StableDiffusionXLControlNetPipeline,
}


@pytest.mark.parametrize("family", ["sd", "xl"])
@pytest.mark.parametrize("interval", [(0.0, 1.0), (0.25, 0.8)])
def test_control_equals_diffusers(family: str, interval: tuple[float, float], request: pytest.FixtureRequest) -> None:
    one: Model = request.getfixturevalue(family)
    net = ControlNetModel.from_pretrained(one.specs[0].source.path, low_cpu_mem_usage=False)
    theirs = PIPELINES[one.family].from_pretrained(one.folder, controlnet=net, low_cpu_mem_usage=False)
    expected = diffusers_latents(
        theirs,
        one.ours,
        STEPS,
        image=picture(1),
        controlnet_conditioning_scale=0.7,
        control_guidance_start=interval[0],
        control_guidance_end=interval[1],
    )
    ours = one.latents(wanted(control=(use(scale=0.7, interval=interval),)))
    assert_near(ours, expected, one.latents(wanted()))


def test_several_add_and_pictures_are_scaled_to_the_size(sd: Model) -> None:
    nets = [
        ControlNetModel.from_pretrained(one.source.path, low_cpu_mem_usage=False)
        for one in sd.specs
        if isinstance(one.source, LocalSource) and one.kind == "controlnet"
    ]
    theirs = StableDiffusionControlNetPipeline.from_pretrained(
        sd.folder, controlnet=MultiControlNetModel(nets), low_cpu_mem_usage=False
    )
    images = [picture(1), picture(2, 48)]
    expected = diffusers_latents(theirs, sd.ours, STEPS, image=images, controlnet_conditioning_scale=[0.7, 0.4])
    ours = sd.latents(wanted(control=(use(scale=0.7), use("depth", OTHER, scale=0.4))))
    assert_near(ours, expected, sd.latents(wanted()))


@pytest.mark.parametrize("adapter", ["by-example", "by-patches"])
@pytest.mark.parametrize("family", ["sd", "xl"])
def test_an_image_prompt_equals_load_ip_adapter(family: str, adapter: str, request: pytest.FixtureRequest) -> None:
    one: Model = request.getfixturevalue(family)
    theirs = oracle(StableDiffusionPipeline if family == "sd" else StableDiffusionXLPipeline, one.folder)
    folder = next(spec.source.path for spec in one.specs if spec.id == adapter)
    theirs.load_ip_adapter(
        str(folder), subfolder="", weight_name="ip-adapter.safetensors", low_cpu_mem_usage=False, local_files_only=True
    )
    theirs.set_ip_adapter_scale(0.6)
    expected = diffusers_latents(theirs, one.ours, STEPS, ip_adapter_image=picture(2, 48))
    ours = one.latents(wanted(image_prompt=ImagePrompt(id=adapter, image=OTHER, scale=0.6)))
    assert_near(ours, expected, one.latents(wanted()))


def test_a_scale_of_zero_is_the_model_itself(sd: Model) -> None:
    nothing = wanted(control=(use(scale=0.0),), image_prompt=ImagePrompt(id="by-example", image=FILE, scale=0.0))
    assert torch.equal(sd.latents(nothing), sd.latents(wanted()))


@pytest.mark.parametrize("family", ["sd", "xl"])
def test_any_mix_has_the_bits_of_each_alone(family: str, request: pytest.FixtureRequest) -> None:
    one: Model = request.getfixturevalue(family)
    prompt = ImagePrompt(id="by-example", image=FILE, scale=0.5)
    requests = [
        wanted(),
        wanted(seed=1, control=(use(interval=(0.0, 0.5)),)),
        wanted(seed=2, control=(use("depth", OTHER), use(scale=0.3)), guidance_scale=1.0),
        wanted(seed=3, image_prompt=prompt),
        wanted(seed=4, image_prompt=prompt, control=(use(),)),
        wanted(seed=5),
    ]
    together = one.pictures(requests)
    for index, request_ in enumerate(requests):
        assert np.array_equal(together[str(index)], one.pictures([request_])["0"]), index


def test_what_does_not_fit_is_refused_and_nothing_is_harmed(sd: Model, xl: Model, tmp_path: Path) -> None:
    foreign = [
        spec("net", "controlnet", xl.specs[0].source.path),
        spec("prompt", "ip_adapter", xl.specs[2].source.path),
        spec("gone", "controlnet", tmp_path),
    ]
    before = sd.pictures([wanted()])["0"]
    models = Held({"tiny": sd.ours})
    engine = Engine(models, sizes(4), adapters=Adapters(foreign, models))
    cases: list[tuple[dict[str, object], type[SafelightError], str]] = [
        ({"control": (use("net"),)}, AdapterMismatch, "control.0.id"),
        ({"image_prompt": ImagePrompt(id="prompt", image=FILE)}, AdapterMismatch, "image_prompt.id"),
        ({"control": (use("gone"),)}, ModelUnavailable, "control.0.id"),
        ({"control": (use("nowhere"),)}, UnknownAdapter, "control.0.id"),
    ]
    for changes, expected, field in cases:
        with pytest.raises(expected) as refused:
            engine.add("refused", wanted(**changes), INPUTS)
        assert refused.value.field == field
    engine.add("after", wanted())
    assert np.array_equal(pictures(run(engine))["after"], before)
    assert set(models.num_users.values()) == {0}
