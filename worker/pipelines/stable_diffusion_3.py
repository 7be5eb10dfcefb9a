"""Stable Diffusion 3: a transformer over patches of latents, two CLIP text encoders, and T5 where it was kept."""

from typing import Any, NamedTuple, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from contract.errors import LimitExceeded
from worker import autoencoders
from worker.components import ModelFolder
from worker.digests import Digests
from worker.latents import draw_noise, latents_shape
from worker.lexicon import PLAIN, Lexicon
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.text import Reader, Tokens
from worker.trained_noise import TrainedNoise, read_trained_noise
from worker.weights import weight_bytes

MAX_SEQUENCE_LENGTH = 256
"""Tokens that T5 reads, as in `StableDiffusion3Pipeline`."""


class Readers(NamedTuple):
    """The text encoders; without `t5` its part of the conditioning is zeros."""

    first: Reader
    second: Reader
    t5: Reader | None


class StableDiffusion3:
    """The four verbs as `StableDiffusion3Pipeline` does them."""

    def __init__(
        self, readers: Readers, transformer: Any, vae: Any, trained_noise: TrainedNoise, digests: Digests
    ) -> None:
        self._readers = readers
        self._transformer = transformer
        self._vae = vae
        self._trained_noise = trained_noise
        self._digests = digests

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("StableDiffusion3Pipeline")
        numbers = ("", "_2", "_3") if folder.has("text_encoder_3") else ("", "_2")
        return cls(
            readers=_readers(folder),
            transformer=folder.transformer("SD3Transformer2DModel"),
            vae=folder.vae(),
            trained_noise=read_trained_noise(folder.read_json("scheduler/scheduler_config.json")),
            digests=folder.digests(
                text=[f"{part}{number}" for part in ("tokenizer", "text_encoder") for number in numbers],
                picture=("transformer", "vae"),
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
        """Whether the network takes the guidance scale as an input: these do not."""
        return False

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        return weight_bytes(*_encoders(self._readers), self._transformer, self._vae)

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """The states of CLIP, widened with zeros to those of T5, and T5's behind them; pooled is CLIP's alone.

        What counts as read is what the encoder with the longest reach reads.
        """
        del negative
        lexicon.require_plain("Stable Diffusion 3")
        tokens, first = self._readers.first.read(prompt)
        _, second = self._readers.second.read(prompt)
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
        """The generator's first noise in the shape of an image of this size, (1, C, H, W)."""
        config = self._transformer.config
        scale = autoencoders.vae_scale_factor(self._vae)
        largest = config.pos_embed_max_size * config.patch_size * scale
        if max(height, width) > largest:
            raise LimitExceeded(f"height and width can be at most {largest}: the model knows no positions beyond.")
        shape = latents_shape(config.in_channels, height, width, scale, patch_size=config.patch_size)
        return draw_noise(shape, generator, self._transformer.device)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The transformer's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        dtype = self._transformer.dtype
        pooled = conditioning.pooled_prompt_embeds
        assert pooled is not None, "encode_prompt always gives some"
        with steered(self._transformer, conditioning.steering):
            output: Tensor = self._transformer(
                hidden_states=latents.to(dtype),
                timestep=timesteps.to(self._transformer.device),
                encoder_hidden_states=conditioning.prompt_embeds.to(dtype),
                pooled_projections=pooled.to(dtype),
                return_dict=False,
            )[0]
        return output.float()

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self._vae, autoencoders.unshifted(self._vae, latents))

    def _read_long(self, prompt: str, tokens: Tokens, clip: Tensor) -> tuple[Tokens, Tensor]:
        """T5's tokens and states; without it, CLIP's tokens and zeros. Shapes: clip and the states (1, L, D)."""
        if self._readers.t5 is None:
            return tokens, clip.new_zeros(1, MAX_SEQUENCE_LENGTH, self._transformer.config.joint_attention_dim)
        read, output = self._readers.t5.read(prompt)
        return read, output[0]


def _readers(folder: ModelFolder) -> Readers:
    projected = ("CLIPTextModelWithProjection",)
    with_t5 = folder.has("text_encoder_3")
    return Readers(
        folder.reader("", projected),
        folder.reader("_2", projected),
        folder.reader("_3", ("T5EncoderModel",), MAX_SEQUENCE_LENGTH) if with_t5 else None,
    )


def _encoders(readers: Readers) -> list[Any]:
    return [reader.text_encoder for reader in readers if reader is not None]
