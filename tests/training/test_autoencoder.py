"""Training that begins from a shipped autoencoder leaves its latents alone."""

from dataclasses import replace
from pathlib import Path

import torch

from training.autoencoder import build_autoencoder, new_training, train_step
from training.configuration import read_configuration

CONFIGURATION = read_configuration(Path("training/safelight-emoji.toml"))
SMALL = replace(CONFIGURATION.autoencoder, channels=[16, 16], encoder_layers=[0, 1], decoder_layers=[0, 1])


def test_only_the_decoder_learns_on(tmp_path: Path) -> None:
    shipped = build_autoencoder(SMALL)
    shipped.save_pretrained(tmp_path)
    training = new_training(SMALL, 1.0, 0, tmp_path)
    pixels = torch.rand(2, 3, 32, 32) * 2 - 1
    for _ in range(2):
        train_step(training, pixels, SMALL, 0.0)
    learned = training.average.weights
    for name, before in shipped.state_dict().items():
        assert torch.equal(before, learned[name]) == name.startswith("encoder."), name
