"""What is said of a model's parts is what they are, and saying it changes nothing of them."""

from pathlib import Path

import pytest
import torch

from contract.architecture import Architecture, Block, Part, PartName
from contract.catalogue import Catalogue, Family
from contract.errors import ModelUnavailable, UnsupportedIntervention
from tests.tiny_models import build_embedded_layout
from tests.tiny_whole_pipelines import build_latent_consistency_model
from tests.worker.engines import CPU, alone, asked, cpu_pipeline, spec_of
from worker.architecture import Draughtsman, drawn
from worker.loading import load_model
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.residency import Model
from worker.skipping import block_to_skip

FOLDERS: dict[Family, str] = {
    "stable_diffusion": "epsilon_folder",
    "stable_diffusion_xl": "xl_folder",
    "stable_diffusion_3": "sd3_folder",
    "flux": "flux_folder",
}


def part_of(architecture: Architecture, name: PartName) -> Part:
    part = architecture.part(name)
    assert part is not None
    return part


def num_parameters(network: torch.nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize("family", FOLDERS)
def test_every_family_is_drawn(family: Family, request: pytest.FixtureRequest) -> None:
    folder: Path = request.getfixturevalue(FOLDERS[family])
    pipeline = cpu_pipeline(folder, family)
    assert isinstance(pipeline, LatentDiffusion)
    architecture = drawn(spec_of(folder, family), pipeline)
    encoders = [part for part in architecture.parts if part.name.startswith("text_encoder")]
    assert [part.num_parameters for part in encoders] == [
        num_parameters(reader.text_encoder) for reader in pipeline.readers
    ]
    denoiser, autoencoder = part_of(architecture, "denoiser"), part_of(architecture, "autoencoder")
    assert denoiser.num_parameters == num_parameters(pipeline.network)
    assert (denoiser.input["latents"], autoencoder.input["picture"]) == ((4, 8, 8), (3, 64, 64))
    assert autoencoder.output is not None
    for part in architecture.parts:
        assert part.flops is not None
        assert part.flops >= sum(block.flops or 0 for block in part.blocks) > 0
    for block in denoiser.all_blocks:
        module = pipeline.network.get_submodule(block.name)
        assert (block.kind, block.num_parameters) == (type(module).__name__, num_parameters(module))
        assert can_skip(pipeline, block) == block.can_skip
    assert any(block.can_skip for block in denoiser.all_blocks)


def can_skip(pipeline: LatentDiffusion, block: Block) -> bool:
    try:
        return bool(block_to_skip(pipeline.network, block.name))
    except UnsupportedIntervention:
        return False


def test_operations_are_counted_as_they_are_written(pipeline: LatentDiffusion, epsilon_folder: Path) -> None:
    blocks = {block.name: block for block in part_of(drawn(spec_of(epsilon_folder), pipeline), "denoiser").all_blocks}
    conv = blocks["conv_in"]
    assert (conv.output_shape, conv.flops) == ((16, 8, 8), 2 * 4 * 16 * 3 * 3 * 8 * 8)
    attention = blocks["down_blocks.0.attentions.0.transformer_blocks.0.attn2"]
    places, tokens, width, words = 8 * 8, 16, 16, 32
    projections = 2 * places * width * width * 2 + 2 * tokens * words * width * 2
    assert (attention.output_shape, attention.flops) == ((64, 16), projections + 2 * 2 * places * tokens * width)


def test_drawing_leaves_a_model_and_its_noise_as_they_were(pipeline: LatentDiffusion, epsilon_folder: Path) -> None:
    before, state = alone(pipeline, asked()), torch.get_rng_state()
    drawn(spec_of(epsilon_folder), pipeline)
    assert torch.equal(torch.get_rng_state(), state)
    assert (alone(pipeline, asked()) == before).all()
    assert all(one.device.type == "cpu" for one in pipeline.network.parameters())


def test_autoencoders_and_text_encoders_of_other_classes(tmp_path: Path) -> None:
    build_embedded_layout(tmp_path)
    architecture = drawn(spec_of(tmp_path), cpu_pipeline(tmp_path))
    assert [part.class_name for part in architecture.parts] == ["BertModel", "UNet2DConditionModel", "AutoencoderDC"]
    assert all(part.flops for part in architecture.parts)


@pytest.mark.filterwarnings("ignore:.*:FutureWarning:diffusers")
def test_a_pipeline_that_is_run_whole_is_counted_and_not_run(tmp_path: Path) -> None:
    build_latent_consistency_model(tmp_path)
    spec = spec_of(tmp_path, "diffusers")
    architecture = drawn(spec, load_model(spec, CPU))
    assert {part.name for part in architecture.parts} == {"text_encoder", "denoiser", "autoencoder"}
    assert all(part.num_parameters and part.flops is None and part.blocks for part in architecture.parts)


def test_what_is_loaded_is_told_of_and_what_cannot_be_drawn_is_loaded_anyway(
    pipeline: LatentDiffusion, epsilon_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spec = spec_of(epsilon_folder)
    told: list[Architecture] = []
    draughtsman = Draughtsman(Catalogue(default_model=spec.id, models=(spec,)), told.append)
    load = draughtsman.watching(lambda model_id: pipeline)
    assert load(spec.id) is pipeline
    assert load(spec.id) is pipeline
    assert [one.model for one in told] == [spec.id], "once is enough"
    assert load("unknown") is pipeline
    assert "cannot be drawn" in caplog.text
    with pytest.raises(ModelUnavailable):
        draughtsman.watching(refuses)(spec.id)


def refuses(model_id: str) -> Model:
    raise ModelUnavailable(model_id)
