"""What the engine asks of a model family: six verbs, each of them for one image or for one batch of rows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from contract.maps import MapSpec
from worker.control import Control
from worker.lexicon import PLAIN, Lexicon
from worker.steering import Steering
from worker.text import Reader
from worker.trained_noise import TrainedNoise


@dataclass(frozen=True, eq=False, slots=True)
class PromptEmbeds:
    """One prompt as the network reads it, and how much of the prompt that is.

    Shapes: prompt_embeds (1, L, D), pooled_prompt_embeds (1, D) where the family has them.
    """

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor | None
    num_tokens: int
    num_tokens_used: int


@dataclass(frozen=True, eq=False, slots=True)
class Conditioning:
    """What each of B rows is to become.

    Shapes: prompt_embeds (B, L, D), pooled_prompt_embeds (B, D) where the family has them, guidance_scales (B,);
    steering and controls have an entry for each of the first rows, those behind ask for nothing.
    """

    prompt_embeds: Tensor
    pooled_prompt_embeds: Tensor | None
    guidance_scales: Tensor
    steering: list[tuple[Steering, ...]] = field(default_factory=list)
    controls: list[tuple[Control, ...]] = field(default_factory=list)


class StepwisePipeline(Protocol):
    """A loaded model. Latents are float32 on this side of it, whatever its weights are."""

    @property
    def trained_noise(self) -> TrainedNoise:
        """The noise that the network was trained on."""
        ...

    @property
    def network_dtype(self) -> torch.dtype:
        """The number format in which the denoising network computes."""
        ...

    @property
    def text_dtypes(self) -> tuple[torch.dtype, ...]:
        """The number formats in which prompts are read, one for each text encoder."""
        ...

    @property
    def vae_dtype(self) -> torch.dtype:
        """The number format in which pictures are decoded."""
        ...

    @property
    def text_digest(self) -> str:
        """SHA-256, in hex, of the files that `encode_prompt` reads: equal ones encode alike."""
        ...

    @property
    def weights_digest(self) -> str:
        """SHA-256, in hex, of the files that the other verbs read: the networks and the noise they were trained on."""
        ...

    @property
    def embeds_guidance(self) -> bool:
        """Whether the network takes the guidance scale as an input, and so needs no row without the prompt."""
        ...

    @property
    def map(self) -> MapSpec | None:
        """What it makes of pictures, where it makes nothing else."""
        ...

    @property
    def num_latent_channels(self) -> int:
        """C of the latents of an image."""
        ...

    @property
    def num_extra_channels(self) -> int:
        """How many channels the network sees beside the latents' own: those of a picture, and of a mask."""
        ...

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        ...

    @property
    def vae_scale_factor(self) -> int:
        """How many pixels one latent stands for, along each side."""
        ...

    @property
    def readers(self) -> tuple[Reader, ...]:
        """What reads prompts, one for each text encoder."""
        ...

    @property
    def network(self) -> Any:
        """The denoising network."""
        ...

    @property
    def parts(self) -> Mapping[str, Any]:
        """The networks that adapters may change, under diffusers' names; none where the family takes no adapters."""
        ...

    @property
    def is_compiled(self) -> bool:
        """Whether the denoising network was compiled, and so has other bits where it is steered."""
        ...

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """The conditioning of one row; `negative` says that it is what the picture must not show.

        Raises: MalformedPrompt, UnsupportedPromptSyntax, AdapterMismatch.
        """
        ...

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The generator's first noise in the shape of an image of this size, (1, C, H, W). Raises: LimitExceeded."""
        ...

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The network's raw output for B rows. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        ...

    def encode_beside(self, picture: Tensor) -> Tensor:
        """A picture as networks that follow instructions see it, (1, C, H, W), beside the latents."""
        ...

    def encode_picture(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        """A picture's latents: the generator's draw of what the autoencoder allows, or without one the likeliest.

        Shapes: picture (1, 3, height, width) from -1 to 1, result (1, C, H, W).
        """
        ...

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        ...
