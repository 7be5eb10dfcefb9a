"""A folder of captioned pictures becomes a model that the engine serves, with its own autoencoder or with another's."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.catalogue import read_catalogue
from tests.worker.engines import CPU, alone, asked
from training import from_folder
from training.captioned import NoPicturesError, read_folder
from training.from_folder import Plan, export, read_plan
from worker.loading import load_model
from worker.pipelines.latent_diffusion import LatentDiffusion


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures of three sizes: two with captions of their own, one that is listed, one without."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, colour, size in (("a", "red", 32), ("b", "blue", 48), ("c", "green", 48), ("d", "grey", 64)):
        Image.new("RGB", (size, 40), colour).save(folder / f"{name}.png")
    (folder / "a.txt").write_text("red\n")
    (folder / "b.txt").write_text("blue")
    (folder / "captions.jsonl").write_text(json.dumps({"file_name": "c.png", "text": "green"}) + "\n")
    return folder


@pytest.fixture
def plan() -> Plan:
    usual = read_plan(Path(from_folder.__file__).with_name("from_folder.toml"))
    return replace(
        usual,
        size=32,
        num_threads=1,
        autoencoder=replace(
            usual.autoencoder, channels=[16, 32], encoder_layers=[0, 1], decoder_layers=[0, 1], minutes=0.02
        ),
        denoiser=replace(
            usual.denoiser, channels=[32, 64], cross_attention=[False, True], num_heads=[1, 1], minutes=0.02
        ),
    )


def test_a_folder_is_read(pictures: Path, tmp_path: Path) -> None:
    read = read_folder(pictures, 32)
    assert read.captions == ("red", "blue", "green", "")
    assert read.pixels.shape == (4, 3, 32, 32)
    assert read.pixels[0, :, 5, 5].tolist() == [1, -1, -1]
    with pytest.raises(NoPicturesError):
        read_folder(tmp_path, 32)


def test_a_model_is_trained_goes_on_and_is_served(pictures: Path, plan: Plan, tmp_path: Path) -> None:
    read, work, out = read_folder(pictures, plan.size), tmp_path / "work", tmp_path / "mine"
    row = export(plan, *from_folder.train(plan, read, work, None), out)
    weights = (out / "unet/diffusion_pytorch_model.safetensors").read_bytes()
    export(plan, *from_folder.train(plan, read, work, None), out)
    assert (out / "unet/diffusion_pytorch_model.safetensors").read_bytes() == weights  # Its minutes are spent.
    (tmp_path / "models.toml").write_text(f'default_model = "mine"\n\n{row}')
    pipeline = load_model(read_catalogue(tmp_path / "models.toml").find("mine"), CPU)
    assert isinstance(pipeline, LatentDiffusion)
    picture = alone(pipeline, asked(prompt="red", height=32, width=32))
    assert picture.shape == (32, 32, 3)
    assert np.ptp(picture) > 0


def test_an_autoencoder_that_is_there_stays_as_it_is(pictures: Path, plan: Plan, tmp_path: Path) -> None:
    shipped, out = Path("models/safelight-emoji/vae"), tmp_path / "mine"
    plan = replace(plan, size=64)
    export(plan, *from_folder.train(plan, read_folder(pictures, 64), tmp_path / "work", shipped), out)
    file = "diffusion_pytorch_model.safetensors"
    assert (out / "vae" / file).read_bytes() == (shipped / file).read_bytes()
