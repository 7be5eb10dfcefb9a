"""Equal files give equal digests, and a changed byte another one, in the half of the model that reads it."""

import hashlib
import shutil
from pathlib import Path

import pytest

from contract.catalogue import PackagedWeights
from tests.worker.engines import CPU, cpu_pipeline, spec_of
from worker.loading import load_pipeline
from worker.stepwise_pipeline import StepwisePipeline

READ = ["model_index.json", "tokenizer/tokenizer.json", "text_encoder/config.json", "text_encoder/model.safetensors"]
SHOWN = [
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
]


def change(file: Path) -> None:
    """Another file that means nearly the same."""
    content = file.read_bytes()
    last = bytes([content[-1] ^ 1]) if file.suffix == ".safetensors" else content[-1:] + b"\n"
    file.write_bytes(content[:-1] + last)


def digests(pipeline: StepwisePipeline) -> tuple[str, str]:
    return pipeline.text_digest, pipeline.weights_digest


@pytest.fixture
def folder(epsilon_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(epsilon_folder, tmp_path / "copy"))


def test_equal_folders_have_equal_digests(folder: Path, pipeline: StepwisePipeline) -> None:
    (folder / "README.md").write_text("Nobody reads this.")
    copy = digests(cpu_pipeline(folder))
    assert copy == digests(pipeline)
    assert [len(bytes.fromhex(digest)) for digest in copy] == [32, 32]
    assert copy[0] != copy[1]


@pytest.mark.parametrize("file", [*READ, *SHOWN])
def test_a_changed_byte_gives_another_digest(folder: Path, pipeline: StepwisePipeline, file: str) -> None:
    change(folder / file)
    text, weights = digests(cpu_pipeline(folder))
    assert (text == pipeline.text_digest, weights == pipeline.weights_digest) == (file in SHOWN, file in READ)


def test_models_that_share_a_text_encoder(pipeline: StepwisePipeline, other_pipeline: StepwisePipeline) -> None:
    """They do not share its prompts unless their files say so: weights of another seed would have another digest."""
    assert pipeline.weights_digest != other_pipeline.weights_digest
    assert pipeline.text_digest == other_pipeline.text_digest


def test_every_text_encoder_counts(xl_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(xl_folder, tmp_path / "copy"))
    change(copy / "text_encoder_2" / "model.safetensors")
    before, after = (cpu_pipeline(path, "stable_diffusion_xl") for path in (xl_folder, copy))
    assert before.text_digest != after.text_digest
    assert before.weights_digest == after.weights_digest


def test_packaged_weights_count_as_if_they_lay_in_the_folder(
    folder: Path, pipeline: StepwisePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "packages" / "digested_weights"
    package.mkdir(parents=True)
    weights = (folder / "text_encoder" / "model.safetensors").rename(package / "weights.safetensors")
    monkeypatch.syspath_prepend(str(package.parent))
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    packaged = PackagedWeights(package="digested_weights", file="weights.safetensors", sha256=sha256)
    (package / "__init__.py").touch()
    spec = spec_of(folder).model_copy(update={"text_encoder": packaged})
    assert digests(load_pipeline(spec, CPU)) == digests(pipeline)
