"""Pipelines run whole make what they make by hand, tell their steps, stop when told, and say what they leave out."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file

from contract.errors import ModelUnavailable
from tests.tiny_models import build_stable_diffusion_3
from tests.tiny_whole_pipelines import build_latent_consistency_model, build_latent_diffusion, build_pixart
from tests.worker.engines import CPU, asked, spec_of
from worker.loading import HUB_VARIANTS, WHOLE_HUB_FILES, load_model, load_pipeline
from worker.pipelines.whole import WholePipeline

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # diffusers on NumPy 2
    pytest.mark.filterwarnings("ignore:.*:FutureWarning:diffusers"),
]

STEPS = 4

BUILDERS: dict[str, Callable[[Path], None]] = {
    "LatentConsistencyModelPipeline": build_latent_consistency_model,
    "PixArtAlphaPipeline": build_pixart,
    "LDMTextToImagePipeline": build_latent_diffusion,
}


class Built(NamedTuple):
    """A pipeline on disk, and as we run it."""

    name: str
    folder: Path
    whole: WholePipeline


def loaded(folder: Path) -> WholePipeline:
    model = load_model(spec_of(folder, "diffusers"), CPU)
    assert isinstance(model, WholePipeline)
    return model


@pytest.fixture(scope="module", params=BUILDERS)
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp(request.param)
    BUILDERS[request.param](folder)
    return Built(request.param, folder, loaded(folder))


@pytest.fixture(scope="module")
def lcm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lcm")
    build_latent_consistency_model(folder)
    return folder


@pytest.fixture
def copy(lcm_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(lcm_folder, tmp_path / "model"))


def by_hand(folder: Path, **arguments: Any) -> Any:
    theirs = DiffusionPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    theirs.set_progress_bar_config(disable=True)
    images = theirs(
        "a red apple",
        height=64,
        width=64,
        num_inference_steps=STEPS,
        guidance_scale=4.0,
        generator=torch.Generator().manual_seed(7),
        **arguments,
    ).images
    return np.asarray(images[0])


def go_on(step: int) -> bool:
    del step
    return True


def test_pixels_equal_those_of_the_pipeline_called_by_hand(built: Built) -> None:
    pixels = built.whole.generate(asked(), go_on)
    assert pixels is not None
    assert (pixels.shape, pixels.dtype) == ((64, 64, 3), np.uint8)
    assert np.array_equal(pixels, by_hand(built.folder))


def test_every_step_is_told_once(built: Built) -> None:
    steps: list[int] = []

    def told(step: int) -> bool:
        steps.append(step)
        return True

    built.whole.generate(asked(num_inference_steps=STEPS), told)
    assert steps == [1, 2, 3, 4]


@pytest.mark.parametrize("last", [1, 3])
def test_stopping_in_the_middle_harms_nothing(built: Built, last: int) -> None:
    steps: list[int] = []

    def told(step: int) -> bool:
        steps.append(step)
        return step < last

    expected = built.whole.generate(asked(seed=9), go_on)
    assert built.whole.generate(asked(), told) is None
    assert steps[-1] == last
    again = built.whole.generate(asked(seed=9), go_on)
    assert np.array_equal(expected, again)


def test_a_negative_prompt_is_used_where_there_is_an_input_for_it(tmp_path: Path) -> None:
    build_pixart(tmp_path)
    pixels = loaded(tmp_path).generate(asked(negative_prompt="a leaf"), go_on)
    assert np.array_equal(pixels, by_hand(tmp_path, negative_prompt="a leaf"))


def test_what_is_left_out_is_said(built: Built) -> None:
    name = built.name
    own = {"LatentConsistencyModelPipeline": "LCMScheduler"}.get(name, "DDIMScheduler")
    takes_negative = name == "PixArtAlphaPipeline"
    scheduler = f"scheduler was not used: {name} samples with its own {own}."
    negative = f"negative_prompt was not used: {name} has no such input."
    assert built.whole.warnings(asked(scheduler="heun")) == (scheduler,)
    assert built.whole.warnings(asked(scheduler="ddim")) == ((scheduler,) if own == "LCMScheduler" else ())
    expected = () if takes_negative else (negative,)
    assert built.whole.warnings(asked(scheduler="heun", negative_prompt="a leaf")) == (*expected, scheduler)


def test_prompts_that_are_cut_are_not_logged(lcm_folder: Path) -> None:
    records: list[logging.LogRecord] = []

    class Keeps(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    handler = Keeps()
    logging.getLogger("diffusers").addHandler(handler)
    try:
        loaded(lcm_folder).generate(asked(prompt="secret " * 20), go_on)
    finally:
        logging.getLogger("diffusers").removeHandler(handler)
    assert not [record for record in records if "secret" in record.getMessage()]


def test_parts_that_were_left_out_when_it_was_saved(tmp_path: Path) -> None:
    build_stable_diffusion_3(tmp_path, with_t5=False)
    assert loaded(tmp_path).generate(asked(), go_on) is not None


def test_digests_of_whole_pipelines(copy: Path, lcm_folder: Path) -> None:
    assert loaded(copy).weights_digest == loaded(lcm_folder).weights_digest
    vocabulary = copy / "tokenizer" / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text() + "\n")
    assert loaded(copy).weights_digest != loaded(lcm_folder).weights_digest


def test_what_is_fetched_of_a_whole_pipeline() -> None:
    wanted = ["model_index.json", "prior/config.json", "prior/model.safetensors", "tokenizer/spiece.model"]
    unwanted = ["README.md", "sd.safetensors", "pipeline.py", "unet/unet.py", "unet/a.bin", "prior/a.fp16.safetensors"]
    kept = filter_repo_objects([*wanted, *unwanted], allow_patterns=WHOLE_HUB_FILES, ignore_patterns=HUB_VARIANTS)
    assert list(kept) == wanted


# ---- what is refused


def refusal(folder: Path) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        load_model(spec_of(folder, "diffusers"), CPU)
    return caught.value.message


def edit_index(folder: Path, **changes: object) -> None:
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | changes))


@pytest.mark.parametrize("name", ["MyPipeline", "UNet2DConditionModel", "utils", ["pipeline.py", "MyPipeline"], None])
def test_only_pipelines_of_diffusers_itself(copy: Path, name: object) -> None:
    (copy / "pipeline.py").write_text("raise RuntimeError('this code must not run')")
    edit_index(copy, _class_name=name)
    assert "no pipeline of diffusers" in refusal(copy)


OTHERS = [["os", "system"], ["unet", "MyUNet"], ["transformers", "AutoModel"], ["torch", "Tensor"], [1, None]]


@pytest.mark.parametrize("part", OTHERS)
def test_only_parts_of_diffusers_and_transformers(copy: Path, part: list[str]) -> None:
    (copy / "unet" / "unet.py").write_text("raise RuntimeError('this code must not run')")
    edit_index(copy, unet=part)
    assert f"unet = {part[0]}.{part[1]}" in refusal(copy)


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_pickles_are_never_read(copy: Path, part: str) -> None:
    weights = copy / f"{part}.safetensors"
    name = "pytorch_model.bin" if part.startswith("text_encoder") else "diffusion_pytorch_model.bin"
    torch.save(load_file(weights), weights.with_name(name))
    weights.unlink()
    assert f"{weights.parent} has no weights in safetensors files" in refusal(copy)


def test_weights_that_lack_a_tensor_are_not_made_up(copy: Path) -> None:
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(weights)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, weights, metadata={"format": "pt"})
    assert "lacks 1 weights" in refusal(copy)


def test_a_pipeline_that_needs_a_picture(copy: Path) -> None:
    edit_index(copy, _class_name="StableDiffusionImageVariationPipeline", image_encoder=[None, None])
    assert "needs image" in refusal(copy)


def test_a_pipeline_that_lacks_a_part(copy: Path) -> None:
    edit_index(copy, _class_name="PixArtAlphaPipeline")
    assert "is no PixArtAlphaPipeline" in refusal(copy)


def test_the_engine_is_not_given_what_it_cannot_step_through(lcm_folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match="run whole"):
        load_pipeline(spec_of(lcm_folder, "diffusers"), CPU)
