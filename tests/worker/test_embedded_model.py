"""The embedded model's layout gives what `StableDiffusionPipeline` gives: a tiny copy of it, and itself where it is."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from diffusers import (
    AutoencoderDC,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)

from contract.catalogue import ModelSpec, read_catalogue
from contract.errors import SafelightError
from contract.request import Scheduler
from tests.tiny_models import build_embedded_layout
from tests.worker.engines import CPU, alone, asked, spec_of
from worker.components import ModelFolder
from worker.loading import load_pipeline, model_path, packaged
from worker.stepwise_pipeline import StepwisePipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
    pytest.mark.filterwarnings("ignore:The configuration file of this scheduler:FutureWarning"),
]

CATALOGUE = Path(__file__).parents[2] / "models.toml"
SCHEDULERS: dict[Scheduler, Any] = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}


class TakesGenerator(AutoencoderDC):
    """AutoencoderDC as `StableDiffusionPipeline` calls it."""

    def decode(self, z: torch.Tensor, return_dict: bool = True, generator: torch.Generator | None = None) -> Any:
        return super().decode(z, return_dict=return_dict)


class Pair(NamedTuple):
    """The same model, loaded by diffusers and by us."""

    theirs: Any
    ours: StepwisePipeline
    size: int


def loaded(spec: ModelSpec) -> Pair:
    path = model_path(spec.source)
    folder = ModelFolder(path, CPU, packaged(spec.text_encoder))
    vae = TakesGenerator.from_pretrained(path / "vae", torch_dtype=torch.float32, low_cpu_mem_usage=False)
    vae.register_to_config(block_out_channels=vae.config.encoder_block_out_channels)
    theirs = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=folder.text_encoder(),
        tokenizer=folder.tokenizer(),
        unet=folder.unet(),
        scheduler=DDIMScheduler.from_pretrained(path / "scheduler"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    theirs.set_progress_bar_config(disable=True)
    return Pair(theirs, load_pipeline(spec, CPU), spec.defaults.height)


@pytest.fixture(scope="module", params=["tiny", "safelight-emoji"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    if request.param == "tiny":
        folder = tmp_path_factory.mktemp("embedded_layout")
        build_embedded_layout(folder)
        yield loaded(spec_of(folder))
        return
    spec = read_catalogue(CATALOGUE).find(request.param)
    if not model_path_exists(spec):
        pytest.skip("the embedded model has not been trained here")
    yield loaded(spec)


def model_path_exists(spec: ModelSpec) -> bool:
    try:
        return (model_path(spec.source) / "model_index.json").exists()
    except SafelightError:
        return False


@pytest.mark.parametrize("prompt", ["a red apple", "an apple " * 20])
@pytest.mark.parametrize("guidance_scale", [4.0, 1.0])
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_pixels_equal(pair: Pair, scheduler: Scheduler, guidance_scale: float, prompt: str) -> None:
    theirs, ours, size = pair
    theirs.scheduler = SCHEDULERS[scheduler].from_config(theirs.scheduler.config)
    expected = theirs(
        prompt,
        num_inference_steps=4,
        guidance_scale=guidance_scale,
        height=size,
        width=size,
        generator=torch.Generator().manual_seed(7),
        output_type="pil",
    ).images[0]
    request = asked(prompt=prompt, height=size, width=size, guidance_scale=guidance_scale, scheduler=scheduler)
    picture = alone(ours, request, 2 if guidance_scale > 1 else 1)
    difference = np.abs(np.asarray(expected).astype(int) - picture)
    assert difference.max() <= (1 if scheduler == "ddim" else 0)
    assert picture.std() > 1
