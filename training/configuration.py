"""This file knows what a model's configuration file may say."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AutoencoderConfig:
    """The `[autoencoder]` table."""

    channels: list[int]
    encoder_layers: list[int]
    decoder_layers: list[int]
    latent_channels: int
    learning_rate: float
    batch_size: int
    latent_noise: float
    spread_weight: float
    minutes: float


@dataclass(frozen=True)
class DenoiserConfig:
    """The `[denoiser]` table; `num_heads` is what diffusers calls `attention_head_dim`."""

    channels: list[int]
    cross_attention: list[bool]
    num_heads: list[int]
    layers_per_block: int
    learning_rate: float
    batch_size: int
    caption_dropout: float
    average_decay: float
    minutes: float


@dataclass(frozen=True)
class Shares:
    """The `[scenes]` table: how often training shows each kind of scene; the rest are single things, with shades."""

    beside: float
    stacked: float
    two: float
    three: float
    four: float
    flat: float
    tinted: float
    white: float


@dataclass(frozen=True)
class LatentsClassifierConfig:
    """The `[latents_classifier]` table; `num_drawn` pictures of the unconditional model stand for what is not known.

    `spread_share` is how much of the variance around templates is believed: less has a picture come nearer to one.
    """

    num_renders: int
    num_drawn: int
    rank: int
    spread_share: float
    share_of_nothing: float


@dataclass(frozen=True)
class PixelsClassifierConfig:
    """The `[pixels_classifier]` table; `channels` are what transformers calls `hidden_sizes`."""

    size: int
    num_renders: int
    channels: list[int]
    depths: list[int]
    learning_rate: float
    weight_decay: float
    batch_size: int
    average_decay: float
    minutes: float


@dataclass(frozen=True)
class Configuration:
    """One model: where its parts are and how each is trained."""

    model_id: str
    seed: int
    num_threads: int
    work_folder: Path
    model_folder: Path
    vocabulary: Path
    default_guidance_scale: float
    default_num_inference_steps: int
    autoencoder: AutoencoderConfig
    denoiser: DenoiserConfig
    scenes: Shares
    classifiers_folder: Path
    latents_classifier: LatentsClassifierConfig
    pixels_classifier: PixelsClassifierConfig


def read_configuration(path: Path) -> Configuration:
    """Read one TOML file; paths in it are relative to the working folder."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return Configuration(
        model_id=table["model_id"],
        seed=table["seed"],
        num_threads=table["num_threads"],
        work_folder=Path(table["work_folder"]),
        model_folder=Path(table["model_folder"]),
        vocabulary=Path(table["vocabulary"]),
        default_guidance_scale=table["default_guidance_scale"],
        default_num_inference_steps=table["default_num_inference_steps"],
        autoencoder=AutoencoderConfig(**table["autoencoder"]),
        denoiser=DenoiserConfig(**table["denoiser"]),
        scenes=Shares(**table["scenes"]),
        classifiers_folder=Path(table["classifiers_folder"]),
        latents_classifier=LatentsClassifierConfig(**table["latents_classifier"]),
        pixels_classifier=PixelsClassifierConfig(**table["pixels_classifier"]),
    )
