"""Stable Diffusion 1 and 2 and whatever has their layout: one text encoder, one U-Net, one autoencoder."""

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from contract.errors import ModelUnavailable
from worker import autoencoders
from worker.components import ModelFolder
from worker.control import Seen, residuals_of
from worker.emphasis import read
from worker.lexicon import PLAIN, Lexicon
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.textual_inversion import require_fit
from worker.trained_noise import read_trained_noise


class StableDiffusion(LatentDiffusion):
    """The verbs as `StableDiffusionPipeline` does them."""

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("StableDiffusionPipeline")
        unet = folder.unet()
        refuse_guidance_embedding(folder, unet)
        return cls(
            readers=(folder.reader(""),),
            network=unet,
            vae=folder.vae(),
            trained_noise=read_trained_noise(_corrected(folder.read_json("scheduler/scheduler_config.json"))),
            digests=folder.digests(text=("tokenizer", "text_encoder"), picture=("unet", "vae")),
        )

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """The last hidden state of every token, padding included."""
        del negative
        (reader,) = self.readers
        require_fit(lexicon.inversions, [reader.text_encoder])
        masked = getattr(reader.text_encoder.config, "use_attention_mask", False)
        reading = read(reader, prompt, lexicon, _last_states, masked=masked)
        return PromptEmbeds(reading.states, None, reading.num_tokens, reading.num_tokens_used)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The U-Net's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        dtype = self.network.dtype
        latents, timesteps = latents.to(dtype), timesteps.to(self.network.device)
        prompt_embeds = conditioning.prompt_embeds.to(dtype)

        def row(place: int) -> Seen:
            one = slice(place, place + 1)
            return Seen(latents[one], timesteps[one], prompt_embeds[one], None)

        residuals = residuals_of(conditioning.controls, len(latents), row)
        with steered(self.network, conditioning.steering):
            output: Tensor = self.network(
                latents,
                timesteps,
                encoder_hidden_states=prompt_embeds,
                down_block_additional_residuals=residuals.down,
                mid_block_additional_residual=residuals.middle,
                return_dict=False,
            )[0]
        return output.float()

    @property
    def parts(self) -> Mapping[str, Any]:
        """The U-Net and the text encoder."""
        return {"unet": self.network, "text_encoder": self.readers[0].text_encoder}

    def encode_picture(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        """A picture's latents, (1, C, H, W). Shapes: picture (1, 3, height, width), from -1 to 1."""
        latents = autoencoders.encode(self.vae, picture, generator)
        return float(self.vae.config.scaling_factor) * latents

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self.vae, latents / self.vae.config.scaling_factor)


def _last_states(output: Any) -> Tensor:
    states: Tensor = output[0]
    return states


def refuse_guidance_embedding(folder: ModelFolder, unet: Any) -> None:
    """Distilled networks that take the guidance scale as an input are another family. Raises: ModelUnavailable."""
    if unet.config.time_cond_proj_dim is not None:
        raise ModelUnavailable(f"{folder.path}/unet takes the guidance scale as an input, which is not supported.")


def _corrected(config: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration as `StableDiffusionPipeline.__init__` corrects it: old files have the wrong offset."""
    return {**config, "steps_offset": 1} if "steps_offset" in config else dict(config)
