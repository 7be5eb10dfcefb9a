"""Flux: a transformer over packed latents that is told where each patch lies, CLIP's summary, and T5's states."""

from typing import Any, Self

import torch
from torch import Tensor

from worker import autoencoders
from worker.components import ModelFolder
from worker.digests import Digests
from worker.latents import draw_noise, latents_shape
from worker.lexicon import PLAIN, Lexicon
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.text import Reader
from worker.trained_noise import TrainedNoise, read_trained_noise
from worker.weights import weight_bytes

MAX_SEQUENCE_LENGTH = 512
"""Tokens that T5 reads, as in `FluxPipeline`."""

PATCH_SIZE = 2
"""Latents along each side of a patch."""


class Flux:
    """The four verbs as `FluxPipeline` does them."""

    def __init__(
        self, *, clip: Reader, t5: Reader, transformer: Any, vae: Any, trained_noise: TrainedNoise, digests: Digests
    ) -> None:
        self._clip = clip
        self._t5 = t5
        self._transformer = transformer
        self._vae = vae
        self._trained_noise = trained_noise
        self._digests = digests

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("FluxPipeline")
        return cls(
            clip=folder.reader("", ("CLIPTextModel",)),
            t5=folder.reader("_2", ("T5EncoderModel",), MAX_SEQUENCE_LENGTH),
            transformer=folder.transformer("FluxTransformer2DModel"),
            vae=folder.vae(),
            trained_noise=read_trained_noise(folder.read_json("scheduler/scheduler_config.json")),
            digests=folder.digests(
                text=("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2"), picture=("transformer", "vae")
            ),
        )

    @property
    def trained_noise(self) -> TrainedNoise:
        """The noise that the network was trained on."""
        return self._trained_noise

    @property
    def network_dtype(self) -> torch.dtype:
        """The number format in which the denoising network computes."""
        dtype: torch.dtype = self._transformer.dtype
        return dtype

    @property
    def text_digest(self) -> str:
        """What `encode_prompt` reads."""
        return self._digests.text

    @property
    def weights_digest(self) -> str:
        """What the other verbs read."""
        return self._digests.weights

    @property
    def embeds_guidance(self) -> bool:
        """Whether the network takes the guidance scale as an input: what was distilled from guided pictures does."""
        return bool(self._transformer.config.guidance_embeds)

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        return weight_bytes(self._clip.text_encoder, self._t5.text_encoder, self._transformer, self._vae)

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """T5's states, and CLIP's summary as the pooled embedding; what counts as read is what T5 reads."""
        del negative
        lexicon.require_plain("Flux")
        _, summary = self._clip.read(prompt)
        tokens, states = self._t5.read(prompt)
        return PromptEmbeds(states[0], summary.pooler_output, tokens.num_tokens, tokens.num_tokens_used)

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The generator's first noise in the shape of an image of this size, (1, C, H, W), not yet packed."""
        num_channels = self._transformer.config.in_channels // PATCH_SIZE**2
        scale = autoencoders.vae_scale_factor(self._vae)
        shape = latents_shape(num_channels, height, width, scale, patch_size=PATCH_SIZE)
        return draw_noise(shape, generator, self._transformer.device)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The transformer's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        dtype, device = self._transformer.dtype, self._transformer.device
        pooled = conditioning.pooled_prompt_embeds
        assert pooled is not None, "encode_prompt always gives some"
        prompt_embeds = conditioning.prompt_embeds.to(dtype)
        with steered(self._transformer, conditioning.steering):
            output: Tensor = self._transformer(
                hidden_states=packed(latents.to(dtype)),
                timestep=timesteps.to(device, dtype) / 1000,
                guidance=conditioning.guidance_scales.to(device) if self.embeds_guidance else None,
                pooled_projections=pooled.to(dtype),
                encoder_hidden_states=prompt_embeds,
                txt_ids=torch.zeros(prompt_embeds.shape[1], 3, device=device),
                img_ids=positions(latents.shape[2], latents.shape[3]).to(device),
                return_dict=False,
            )[0]
        return unpacked(output.float(), latents.shape[2], latents.shape[3])

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self._vae, autoencoders.unshifted(self._vae, latents))


def packed(latents: Tensor) -> Tensor:
    """Patches in reading order, each a row of its latents, channel by channel.

    Shapes: latents (B, C, H, W), result (B, H/2 × W/2, 4C).
    Source: must equal `FluxPipeline._pack_latents`.
    """
    rows, channels, height, width = latents.shape
    patches = latents.view(rows, channels, height // PATCH_SIZE, PATCH_SIZE, width // PATCH_SIZE, PATCH_SIZE)
    return patches.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpacked(patches: Tensor, height: int, width: int) -> Tensor:
    """The inverse of `packed`. Shapes: patches (B, H/2 × W/2, 4C), result (B, C, H, W)."""
    sides = (height // PATCH_SIZE, width // PATCH_SIZE)
    latents: Tensor = patches.unflatten(2, (-1, PATCH_SIZE, PATCH_SIZE)).unflatten(1, sides)
    return latents.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)


def positions(height: int, width: int) -> Tensor:
    """Where each patch lies: nought, its row, its column.

    Shapes: result (H/2 × W/2, 3).
    Source: must equal `FluxPipeline._prepare_latent_image_ids`.
    """
    rows, columns = torch.meshgrid(torch.arange(height // PATCH_SIZE), torch.arange(width // PATCH_SIZE), indexing="ij")
    return torch.stack([torch.zeros_like(rows), rows, columns], dim=-1).flatten(0, 1).float()
