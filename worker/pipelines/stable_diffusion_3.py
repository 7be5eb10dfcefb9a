"""Stable Diffusion 3: a transformer over patches of latents, two CLIP text encoders, and T5 where it was kept."""

from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from contract.errors import LimitExceeded
from worker import autoencoders
from worker.components import ModelFolder
from worker.lexicon import PLAIN, Lexicon
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.text import Reader, Tokens
from worker.trained_noise import read_trained_noise

MAX_SEQUENCE_LENGTH = 256
"""Tokens that T5 reads, as in `StableDiffusion3Pipeline`."""


class StableDiffusion3(LatentDiffusion):
    """The verbs as `StableDiffusion3Pipeline` does them; without a third reader its part is zeros."""

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("StableDiffusion3Pipeline")
        numbers = ("", "_2", "_3") if folder.has("text_encoder_3") else ("", "_2")
        return cls(
            readers=_readers(folder),
            network=folder.transformer("SD3Transformer2DModel"),
            vae=folder.vae(),
            trained_noise=read_trained_noise(folder.read_json("scheduler/scheduler_config.json")),
            digests=folder.digests(
                text=[f"{part}{number}" for part in ("tokenizer", "text_encoder") for number in numbers],
                picture=("transformer", "vae"),
            ),
        )

    @property
    def patch_size(self) -> int:
        """How many latents, along each side, the transformer takes as one."""
        patch_size: int = self.network.config.patch_size
        return patch_size

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """The states of CLIP, widened with zeros to those of T5, and T5's behind them; pooled is CLIP's alone.

        What counts as read is what the encoder with the longest reach reads.
        """
        lexicon.require_plain("Stable Diffusion 3")
        del negative
        (tokens, first), (_, second) = (reader.read(prompt) for reader in self.readers[:2])
        clip = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        long_tokens, long = self._read_long(prompt, tokens, clip)
        widened = F.pad(clip, (0, long.shape[-1] - clip.shape[-1]))
        return PromptEmbeds(
            torch.cat([widened, long], dim=-2),
            torch.cat([first[0], second[0]], dim=-1),
            long_tokens.num_tokens,
            long_tokens.num_tokens_used,
        )

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """As every family does, up to the largest size that the transformer knows positions of."""
        config = self.network.config
        largest = config.pos_embed_max_size * config.patch_size * self.vae_scale_factor
        if max(height, width) > largest:
            raise LimitExceeded(f"height and width can be at most {largest}: the model knows no positions beyond.")
        return super().prepare_latents(height, width, generator)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The transformer's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        dtype = self.network.dtype
        pooled = conditioning.pooled_prompt_embeds
        assert pooled is not None, "encode_prompt always gives some"
        with steered(self.network, conditioning.steering):
            output: Tensor = self.network(
                hidden_states=latents.to(dtype),
                timestep=timesteps.to(self.network.device),
                encoder_hidden_states=conditioning.prompt_embeds.to(dtype),
                pooled_projections=pooled.to(dtype),
                return_dict=False,
            )[0]
        return output.float()

    def encode_picture(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        """A picture's latents, (1, C, H, W). Shapes: picture (1, 3, height, width), from -1 to 1."""
        return autoencoders.shifted(self.vae, autoencoders.encode(self.vae, picture, generator))

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self.vae, autoencoders.unshifted(self.vae, latents))

    def _read_long(self, prompt: str, tokens: Tokens, clip: Tensor) -> tuple[Tokens, Tensor]:
        """T5's tokens and states; without it, CLIP's tokens and zeros. Shapes: clip and the states (1, L, D)."""
        if len(self.readers) == 2:
            return tokens, clip.new_zeros(1, MAX_SEQUENCE_LENGTH, self.network.config.joint_attention_dim)
        read, output = self.readers[2].read(prompt)
        return read, output[0]


def _readers(folder: ModelFolder) -> tuple[Reader, ...]:
    projected = ("CLIPTextModelWithProjection",)
    clip = (folder.reader("", projected), folder.reader("_2", projected))
    if not folder.has("text_encoder_3"):
        return clip
    return (*clip, folder.reader("_3", ("T5EncoderModel",), MAX_SEQUENCE_LENGTH))
