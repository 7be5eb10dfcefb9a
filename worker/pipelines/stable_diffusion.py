"""Stable Diffusion 1 and 2 and whatever has their layout: one text encoder, one U-Net, one autoencoder."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from contract.errors import ModelUnavailable
from worker import autoencoders
from worker.components import ModelFolder
from worker.digests import Digests
from worker.emphasis import read
from worker.latents import draw_noise, latents_shape
from worker.lexicon import PLAIN, Lexicon
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.text import Reader
from worker.textual_inversion import require_fit
from worker.trained_noise import TrainedNoise, read_trained_noise
from worker.weights import weight_bytes


class StableDiffusion:
    """The four verbs as `StableDiffusionPipeline` does them."""

    def __init__(
        self,
        *,
        reader: Reader,
        unet: Any,
        vae: Any,
        trained_noise: TrainedNoise,
        digests: Digests,
    ) -> None:
        self._reader = reader
        self._unet = unet
        self._vae = vae
        self._trained_noise = trained_noise
        self._digests = digests

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("StableDiffusionPipeline")
        unet = folder.unet()
        refuse_guidance_embedding(folder, unet)
        return cls(
            reader=folder.reader(""),
            unet=unet,
            vae=folder.vae(),
            trained_noise=read_trained_noise(_corrected(folder.read_json("scheduler/scheduler_config.json"))),
            digests=folder.digests(text=("tokenizer", "text_encoder"), picture=("unet", "vae")),
        )

    @property
    def trained_noise(self) -> TrainedNoise:
        """The noise that the network was trained on."""
        return self._trained_noise

    @property
    def network_dtype(self) -> torch.dtype:
        """The number format in which the denoising network computes."""
        dtype: torch.dtype = self._unet.dtype
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
        return weight_bytes(self._reader.text_encoder, self._unet, self._vae)

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """The last hidden state of every token, padding included."""
        del negative
        require_fit(lexicon.inversions, [self._reader.text_encoder])
        masked = getattr(self._reader.text_encoder.config, "use_attention_mask", False)
        reading = read(self._reader, prompt, lexicon, lambda output: output[0], masked=masked)
        return PromptEmbeds(reading.states, None, reading.num_tokens, reading.num_tokens_used)

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        """The generator's first noise in the shape of an image of this size, (1, C, H, W)."""
        scale = autoencoders.vae_scale_factor(self._vae)
        return draw_noise(
            latents_shape(self._unet.config.in_channels, height, width, scale), generator, self._unet.device
        )

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The U-Net's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        with steered(self._unet, conditioning.steering):
            output: Tensor = self._unet(
                latents.to(self._unet.dtype),
                timesteps.to(self._unet.device),
                encoder_hidden_states=conditioning.prompt_embeds.to(self._unet.dtype),
                return_dict=False,
            )[0]
        return output.float()

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self._vae, latents / self._vae.config.scaling_factor)


def refuse_guidance_embedding(folder: ModelFolder, unet: Any) -> None:
    """Distilled networks that take the guidance scale as an input are another family. Raises: ModelUnavailable."""
    if unet.config.time_cond_proj_dim is not None:
        raise ModelUnavailable(f"{folder.path}/unet takes the guidance scale as an input, which is not supported.")


def _corrected(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as `StableDiffusionPipeline.__init__` corrects it: old files have the wrong offset."""
    return {**config, "steps_offset": 1} if "steps_offset" in config else dict(config)
