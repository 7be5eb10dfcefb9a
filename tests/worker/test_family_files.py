"""What is read of the files of Stable Diffusion 3 and Flux, and what is refused, by name."""

import json
import re
import shutil
import tomllib
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects

from contract.catalogue import Family, ModelSpec
from contract.errors import ModelUnavailable
from tests.tiny_parts import TOKENS
from tests.worker.engines import cpu_pipeline
from worker.loading import HUB_FILES, HUB_VARIANTS

ROOT = Path(__file__).parents[2]


def edit_json(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refusal(folder: Path, family: Family) -> str:
    with pytest.raises(ModelUnavailable) as caught:
        cpu_pipeline(folder, family)
    return caught.value.message


def test_t5_reads_no_more_than_in_the_pipeline(sd3_folder: Path, flux_folder: Path, tmp_path: Path) -> None:
    def num_tokens(folder: Path, family: Family, tokenizer: str) -> int:
        copy = Path(shutil.copytree(folder, tmp_path / family))
        edit_json(copy / tokenizer / "tokenizer_config.json", model_max_length=1000)
        return cpu_pipeline(copy, family).encode_prompt("fox", negative=False).prompt_embeds.shape[1]

    assert num_tokens(sd3_folder, "stable_diffusion_3", "tokenizer_3") == TOKENS + 256
    assert num_tokens(flux_folder, "flux", "tokenizer_2") == 512


def test_what_is_fetched_of_newer_families() -> None:
    wanted = [
        "model_index.json",
        "text_encoder_3/model-00001-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.json",
        "tokenizer_3/tokenizer.json",
        "transformer/config.json",
        "transformer/diffusion_pytorch_model-00001-of-00003.safetensors",
        "transformer/diffusion_pytorch_model.safetensors.index.json",
    ]
    unwanted = [
        "flux1-dev.safetensors",
        "text_encoder_3/model.fp16-00001-of-00002.safetensors",
        "text_encoder_3/model.safetensors.index.fp16.json",
        "transformer/diffusion_pytorch_model.bf16-00001-of-00003.safetensors",
    ]
    kept = filter_repo_objects([*wanted, *unwanted], allow_patterns=HUB_FILES, ignore_patterns=HUB_VARIANTS)
    assert list(kept) == wanted


def test_the_rows_of_the_readme_are_rows_of_a_catalogue() -> None:
    blocks = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    specs = [ModelSpec.model_validate(row) for block in blocks for row in tomllib.loads(block)["models"]]
    assert {spec.family for spec in specs} == {"stable_diffusion_xl", "flux", "diffusers"}


@pytest.mark.parametrize(
    ("part", "found"),
    [
        ("transformer", ["diffusers", "FluxTransformer2DModel"]),
        ("text_encoder", ["transformers", "CLIPTextModel"]),
        ("text_encoder_3", ["transformers", "CLIPTextModel"]),
        ("tokenizer_3", ["somewhere", "Anything"]),
        ("vae", ["diffusers", "AutoencoderKLWan"]),
    ],
)
def test_parts_of_another_class(sd3_folder: Path, tmp_path: Path, part: str, found: list[str]) -> None:
    folder = Path(shutil.copytree(sd3_folder, tmp_path / "model"))
    edit_json(folder / "model_index.json", **{part: found})
    assert f"{part} = {found[1]!r}" in refusal(folder, "stable_diffusion_3")


@pytest.mark.parametrize("part", ["transformer/diffusion_pytorch_model", "text_encoder_2/model"])
def test_flux_is_read_from_safetensors_alone(flux_folder: Path, tmp_path: Path, part: str) -> None:
    folder = Path(shutil.copytree(flux_folder, tmp_path / "model"))
    weights = folder / f"{part}.safetensors"
    weights.rename(weights.with_suffix(".bin"))
    message = refusal(folder, "flux")
    assert str(weights) in message
    assert "safetensors files only" in message


def test_a_folder_of_another_family(flux_folder: Path, sd3_folder: Path) -> None:
    assert "FluxPipeline" in refusal(flux_folder, "stable_diffusion_3")
    assert "StableDiffusion3Pipeline" in refusal(sd3_folder, "flux")
