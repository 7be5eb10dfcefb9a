"""Models come from safetensors alone, and what is wrong with a source is said by name."""

import hashlib
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel
from huggingface_hub.utils import filter_repo_objects
from safetensors.torch import load_file, save_file

from contract.catalogue import Catalogue, ModelSpec, PackagedFile, PackagedWeights
from contract.errors import ModelUnavailable, UnknownModel
from contract.rows import HubSource
from tests.worker.engines import CPU, alone, asked, spec_of
from worker.devices import Placement, choose_placement, has_fast_bf16
from worker.loading import HUB_FILES, HUB_VARIANTS, PipelineLoader, load_pipeline
from worker.stepwise_pipeline import StepwisePipeline
from worker.weights import expected_bytes


@pytest.fixture
def folder(epsilon_folder: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(epsilon_folder, tmp_path / "model"))


def refusal(spec: ModelSpec) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        load_pipeline(spec, CPU)
    return caught.value.message


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert str(tmp_path / "nowhere") in refusal(spec_of(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    "file",
    [
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
        "text_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
    ],
)
def test_a_missing_file_is_named(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert str(folder / file).removesuffix("/config.json") in refusal(spec_of(folder))


def test_a_missing_tokenizer(folder: Path) -> None:
    shutil.rmtree(folder / "tokenizer")
    assert "tokenizer" in refusal(spec_of(folder))


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_pickles_are_never_read(folder: Path, part: str) -> None:
    weights = folder / f"{part}.safetensors"
    name = "pytorch_model.bin" if part.startswith("text_encoder") else "diffusion_pytorch_model.bin"
    torch.save(load_file(weights), weights.with_name(name))
    weights.unlink()
    assert "safetensors files only" in refusal(spec_of(folder))


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_damaged_weights(folder: Path, part: str) -> None:
    (folder / f"{part}.safetensors").write_bytes(b"not tensors")
    assert f"{part}.safetensors" in refusal(spec_of(folder))


@pytest.mark.parametrize("part", ["unet/diffusion_pytorch_model", "text_encoder/model"])
def test_weights_that_lack_a_tensor_are_not_made_up(folder: Path, part: str) -> None:
    weights = folder / f"{part}.safetensors"
    tensors = load_file(weights)
    del tensors[sorted(tensors)[0]]
    save_file(tensors, weights, metadata={"format": "pt"})
    assert "lacks 1 weights" in refusal(spec_of(folder))


def test_a_class_that_is_not_allowed(folder: Path) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    index["text_encoder"] = ["somewhere.else", "Anything"]
    (folder / "model_index.json").write_text(json.dumps(index))
    assert "'Anything'" in refusal(spec_of(folder))


def test_a_model_of_another_family(xl_folder: Path, epsilon_folder: Path) -> None:
    assert "StableDiffusionXLPipeline" in refusal(spec_of(xl_folder))
    assert "StableDiffusionPipeline" in refusal(spec_of(epsilon_folder, "stable_diffusion_xl"))


def test_a_hub_that_cannot_be_reached(epsilon_folder: Path) -> None:
    source = HubSource(hub="somebody/something", revision="0123456789abcdef0123456789abcdef01234567")
    started = time.monotonic()
    message = refusal(spec_of(epsilon_folder).model_copy(update={"source": source}))
    assert "somebody/something" in message
    assert source.revision in message
    assert time.monotonic() - started < 10


def test_only_what_is_read_is_fetched_from_the_hub() -> None:
    wanted = [
        "model_index.json",
        "scheduler/scheduler_config.json",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "text_encoder_2/model-00001-of-00002.safetensors",
        "text_encoder_2/model.safetensors.index.json",
        "tokenizer/merges.txt",
        "tokenizer_2/vocab.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    ]
    unwanted = [
        "README.md",
        "sd_xl_base_1.0.safetensors",
        "safety_checker/model.safetensors",
        "text_encoder/model.fp16.safetensors",
        "text_encoder/pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/diffusion_pytorch_model.bin",
        "unet/model.onnx",
        "vae/some_code.py",
    ]
    kept = filter_repo_objects([*wanted, *unwanted], allow_patterns=HUB_FILES, ignore_patterns=HUB_VARIANTS)
    assert list(kept) == wanted


def test_weights_in_several_files(folder: Path, pipeline: StepwisePipeline) -> None:
    unet = UNet2DConditionModel.from_pretrained(folder / "unet", low_cpu_mem_usage=False)
    shutil.rmtree(folder / "unet")
    unet.save_pretrained(folder / "unet", max_shard_size="300KB")
    assert len(list((folder / "unet").glob("*-of-*.safetensors"))) > 1
    assert np.array_equal(alone(load_pipeline(spec_of(folder), CPU), asked()), alone(pipeline, asked()))


# ---- text encoder weights from an installed package


@pytest.fixture
def packaged(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """The text encoder's weights and its tokenizer moved into a package whose import would fail."""
    package = tmp_path / "packages" / "tiny_weights"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise RuntimeError('this code must not run')")
    weights = (folder / "text_encoder" / "model.safetensors").rename(package / "weights.safetensors")
    monkeypatch.syspath_prepend(str(package.parent))
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    tokenizer = (folder / "tokenizer" / "tokenizer.json").rename(package / "tokenizer.json")
    text_encoder = PackagedWeights(
        package="tiny_weights",
        file="weights.safetensors",
        sha256=digest,
        tokenizer=PackagedFile(file="tokenizer.json", sha256=hashlib.sha256(tokenizer.read_bytes()).hexdigest()),
    )
    return spec_of(folder).model_copy(update={"text_encoder": text_encoder})


def changed(spec: ModelSpec, **fields: object) -> ModelSpec:
    assert spec.text_encoder is not None
    return spec.model_copy(update={"text_encoder": spec.text_encoder.model_copy(update=fields)})


def test_packaged_weights_make_the_same_pictures(packaged: ModelSpec, pipeline: StepwisePipeline) -> None:
    assert np.array_equal(alone(load_pipeline(packaged, CPU), asked()), alone(pipeline, asked()))
    assert "tiny_weights" not in sys.modules


def test_packaged_weights_with_another_digest(packaged: ModelSpec) -> None:
    assert "f" * 64 in refusal(changed(packaged, sha256="f" * 64))
    assert "f" * 64 in refusal(changed(packaged, tokenizer=PackagedFile(file="tokenizer.json", sha256="f" * 64)))


def test_packaged_weights_that_are_not_there(packaged: ModelSpec) -> None:
    assert "no_such_package" in refusal(changed(packaged, package="no_such_package"))
    assert "other.safetensors" in refusal(changed(packaged, file="other.safetensors"))
    assert "not a safetensors file" in refusal(changed(packaged, file="weights.bin"))
    other = PackagedFile(file="other.json", sha256="f" * 64)
    assert "other.json" in refusal(changed(packaged, tokenizer=other))
    assert "top-level" in refusal(changed(packaged, package="tiny_weights.inner"))


# ---- the loader, and where it loads to


def test_the_loader_finds_models_by_their_ids(epsilon_folder: Path) -> None:
    loader = PipelineLoader(Catalogue(default_model="tiny", models=(spec_of(epsilon_folder),)), CPU)
    assert loader.load("tiny").weights_digest == load_pipeline(spec_of(epsilon_folder), CPU).weights_digest
    with pytest.raises(UnknownModel):
        loader.load("unknown")


def test_number_formats() -> None:
    narrow, on_gpu = Placement(torch.device("cpu"), torch.bfloat16), Placement(torch.device("cuda"))
    assert [narrow.dtype(torch.float16), narrow.own_dtype(torch.float16)] == [torch.bfloat16, torch.float32]
    assert CPU.dtype(torch.float16) == CPU.own_dtype(torch.float16) == CPU.wide_dtype(torch.float16) == torch.float32
    assert on_gpu.dtype(torch.float16) == on_gpu.own_dtype(torch.float16) == torch.float16
    assert on_gpu.wide_dtype(torch.float16) == torch.float32
    assert on_gpu.wide_dtype(torch.bfloat16) == torch.bfloat16


def test_all_parts_are_served_in_the_number_format(folder: Path) -> None:
    narrow = Placement(torch.device("cpu"), torch.bfloat16)
    upcast = load_pipeline(spec_of(folder), narrow)
    assert (upcast.network_dtype, upcast.text_dtypes) == (torch.bfloat16, (torch.bfloat16,))
    assert upcast.vae_dtype == torch.float32, "the configuration of this autoencoder asks for it"
    config = json.loads((folder / "vae" / "config.json").read_text())
    (folder / "vae" / "config.json").write_text(json.dumps(config | {"force_upcast": False}))
    pipeline = load_pipeline(spec_of(folder), narrow)
    assert pipeline.vae_dtype == torch.bfloat16
    assert expected_bytes(folder, narrow) == pytest.approx(pipeline.num_bytes, rel=0.001)
    near = np.abs(alone(pipeline, asked()).astype(int) - alone(upcast, asked()).astype(int))
    assert 0 < near.max() <= 3, "a picture decoded in bfloat16 looks the same, and is not the same"


def test_the_gpu_is_taken_where_there_is_one() -> None:
    placement = choose_placement()
    assert placement.device.type == ("cuda" if torch.cuda.is_available() else "cpu")
    if placement.device.type == "cpu":
        fast = torch.bfloat16 if has_fast_bf16() else torch.float32
        assert placement.dtype(torch.float16) == fast, "emulated bf16 is slower than float32"
