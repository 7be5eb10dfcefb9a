"""Flux: a transformer over packed latents that is told where each patch lies, CLIP's summary, and T5's states."""

from typing import Self

import torch
from torch import Tensor

from worker import autoencoders
from worker.components import ModelFolder
from worker.lexicon import PLAIN, Lexicon
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.trained_noise import read_trained_noise

MAX_SEQUENCE_LENGTH = 512
"""Tokens that T5 reads, as in `FluxPipeline`."""

PATCH_SIZE = 2
"""Latents along each side of a patch."""


class Flux(LatentDiffusion):
    """The verbs as `FluxPipeline` does them."""

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("FluxPipeline")
        return cls(
            readers=(
                folder.reader("", ("CLIPTextModel",)),
                folder.reader("_2", ("T5EncoderModel",), MAX_SEQUENCE_LENGTH),
            ),
            network=folder.transformer("FluxTransformer2DModel"),
            vae=folder.vae(),
            trained_noise=read_trained_noise(folder.read_json("scheduler/scheduler_config.json")),
            digests=folder.digests(
                text=("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2"), picture=("transformer", "vae")
            ),
        )

    @property
    def embeds_guidance(self) -> bool:
        """Whether the network takes the guidance scale as an input: what was distilled from guided pictures does."""
        return bool(self.network.config.guidance_embeds)

    @property
    def patch_size(self) -> int:
        """How many latents, along each side, are packed into one of the transformer's inputs."""
        return PATCH_SIZE

    @property
    def num_extra_channels(self) -> int:
        """How many channels the network sees beside the latents' own: its input is packed."""
        num_channels: int = self.network.config.in_channels
        return num_channels - self.num_latent_channels * PATCH_SIZE**2

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """T5's states, and CLIP's summary as the pooled embedding; what counts as read is what T5 reads."""
        lexicon.require_plain("Flux")
        del negative
        (_, summary), (tokens, states) = (reader.read(prompt) for reader in self.readers)
        return PromptEmbeds(states[0], summary.pooler_output, tokens.num_tokens, tokens.num_tokens_used)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The transformer's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        dtype, device = self.network.dtype, self.network.device
        pooled = conditioning.pooled_prompt_embeds
        assert pooled is not None, "encode_prompt always gives some"
        prompt_embeds = conditioning.prompt_embeds.to(dtype)
        with steered(self.network, conditioning.steering):
            output: Tensor = self.network(
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

    def encode_picture(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        """A picture's latents, (1, C, H, W). Shapes: picture (1, 3, height, width), from -1 to 1."""
        return autoencoders.shifted(self.vae, autoencoders.encode(self.vae, picture, generator))

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self.vae, autoencoders.unshifted(self.vae, latents))


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
