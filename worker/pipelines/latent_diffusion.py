"""What every family has: readers of prompts, a network that denoises latents, and an autoencoder that shows them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from contract.maps import MapSpec
from worker import autoencoders
from worker.digests import Digests
from worker.latents import draw_noise, latents_shape
from worker.text import Reader
from worker.trained_noise import TrainedNoise
from worker.weights import weight_bytes


@dataclass(frozen=True, eq=False, kw_only=True)
class LatentDiffusion:
    """A loaded model; how it reads, denoises and shows is its family's.

    `network` is the U-Net or the transformer, `trained_noise` the noise that it was trained on, `map` what it makes of
    pictures where it makes nothing else.
    Source: Rombach et al. 2021, arXiv:2112.10752, section 3.
    """

    readers: tuple[Reader, ...]
    network: Any
    vae: Any
    trained_noise: TrainedNoise
    digests: Digests
    map: MapSpec | None = None

    @property
    def network_dtype(self) -> torch.dtype:
        """The number format in which the denoising network computes."""
        dtype: torch.dtype = self.network.dtype
        return dtype

    @property
    def text_dtypes(self) -> tuple[torch.dtype, ...]:
        """The number formats in which prompts are read, one for each text encoder."""
        return tuple(reader.text_encoder.dtype for reader in self.readers)

    @property
    def vae_dtype(self) -> torch.dtype:
        """The number format in which pictures are decoded."""
        dtype: torch.dtype = self.vae.dtype
        return dtype

    @property
    def text_digest(self) -> str:
        """What `encode_prompt` reads."""
        return self.digests.text

    @property
    def weights_digest(self) -> str:
        """What the other verbs read."""
        return self.digests.weights

    @property
    def embeds_guidance(self) -> bool:
        """Whether the network takes the guidance scale as an input: most do not."""
        return False

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        return weight_bytes(*(reader.text_encoder for reader in self.readers), self.network, self.vae)

    @property
    def parts(self) -> Mapping[str, Any]:
        """The networks that adapters may change, under diffusers' names: most families take no adapters."""
        return {}

    @cached_property
    def is_compiled(self) -> bool:
        """Whether the denoising network was compiled, all of it or its blocks."""
        return any(module._compiled_call_impl is not None for module in self.network.modules())

    @property
    def vae_scale_factor(self) -> int:
        """How many pixels one latent stands for, along each side."""
        return autoencoders.vae_scale_factor(self.vae)

    @property
    def patch_size(self) -> int:
        """How many latents, along each side, the network takes as one: a U-Net takes each by itself."""
        return 1

    @property
    def num_latent_channels(self) -> int:
        """C of the latents of an image."""
        num_channels: int = self.vae.config.latent_channels
        return num_channels

    @property
    def num_extra_channels(self) -> int:
        """How many channels the network sees beside the latents' own: those of a picture, and of a mask."""
        num_channels: int = self.network.config.in_channels
        return num_channels - self.num_latent_channels

    def encode_beside(self, picture: Tensor) -> Tensor:
        """A picture as networks that follow instructions see it: its likeliest latents, in the autoencoder's own scale.

        Shapes: picture (1, 3, height, width) from -1 to 1, result (1, C, H, W).
        Source: must equal `StableDiffusionInstructPix2PixPipeline.prepare_image_latents`.
        """
        return autoencoders.encode(self.vae, picture, None)

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The generator's first noise in the shape of an image of this size, (1, C, H, W). Raises: LimitExceeded."""
        scale = self.vae_scale_factor
        shape = latents_shape(self.num_latent_channels, height, width, scale, patch_size=self.patch_size)
        return draw_noise(shape, generator, self.network.device)
