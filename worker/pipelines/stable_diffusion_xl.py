"""SDXL: two text encoders read each prompt, and the network is told the size of the picture."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor

from worker import autoencoders
from worker.components import ModelFolder
from worker.control import Seen, residuals_of
from worker.emphasis import read
from worker.lexicon import PLAIN, Lexicon
from worker.pipelines.latent_diffusion import LatentDiffusion
from worker.pipelines.stable_diffusion import refuse_guidance_embedding
from worker.steering import steered
from worker.stepwise_pipeline import Conditioning, PromptEmbeds
from worker.textual_inversion import require_fit
from worker.trained_noise import read_trained_noise


@dataclass(frozen=True, eq=False, kw_only=True)
class StableDiffusionXL(LatentDiffusion):
    """The verbs as `StableDiffusionXLPipeline` does them."""

    force_zeros_for_empty_prompt: bool

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        folder.require_layout("StableDiffusionXLPipeline")
        unet = folder.unet()
        refuse_guidance_embedding(folder, unet)
        return cls(
            readers=(folder.reader(""), folder.reader("_2")),
            network=unet,
            vae=folder.vae(),
            trained_noise=read_trained_noise(folder.read_json("scheduler/scheduler_config.json")),
            digests=folder.digests(
                text=("tokenizer", "text_encoder", "tokenizer_2", "text_encoder_2"), picture=("unet", "vae")
            ),
            force_zeros_for_empty_prompt=folder.index.get("force_zeros_for_empty_prompt", True),
        )

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        """The states of both encoders before their last layers, side by side, and the second one's pooled output.

        An empty negative prompt is none at all, which the network was trained to know as zeros.
        """
        require_fit(lexicon.inversions, [reader.text_encoder for reader in self.readers])
        first, second = (
            read(reader, prompt, lexicon, _states_before_last, encoder=number)
            for number, reader in enumerate(self.readers)
        )
        states = torch.cat([first.states, second.states], dim=-1)
        pooled = second.first[0]
        if negative and not prompt and self.force_zeros_for_empty_prompt:
            states, pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        return PromptEmbeds(states, pooled, first.num_tokens, first.num_tokens_used)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        """The U-Net's output. Shapes: latents and result (B, C, H, W), timesteps (B,)."""
        dtype, device = self.network.dtype, self.network.device
        pooled = conditioning.pooled_prompt_embeds
        assert pooled is not None, "encode_prompt always gives some"
        latents, timesteps = latents.to(dtype), timesteps.to(device)
        prompt_embeds = conditioning.prompt_embeds.to(dtype)
        added = {"text_embeds": pooled.to(dtype), "time_ids": self._time_ids(latents).to(device, dtype)}

        def row(place: int) -> Seen:
            one = slice(place, place + 1)
            theirs = {name: values[one] for name, values in added.items()}
            return Seen(latents[one], timesteps[one], prompt_embeds[one], theirs)

        residuals = residuals_of(conditioning.controls, len(latents), row)
        with steered(self.network, conditioning.steering):
            output: Tensor = self.network(
                latents,
                timesteps,
                encoder_hidden_states=prompt_embeds,
                added_cond_kwargs=added,
                down_block_additional_residuals=residuals.down,
                mid_block_additional_residual=residuals.middle,
                return_dict=False,
            )[0]
        return output.float()

    @property
    def parts(self) -> Mapping[str, Any]:
        """The U-Net and the text encoders."""
        encoders = [reader.text_encoder for reader in self.readers]
        return {"unet": self.network, "text_encoder": encoders[0], "text_encoder_2": encoders[1]}

    def encode_picture(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        """A picture's latents, (1, C, H, W). Shapes: picture (1, 3, height, width), from -1 to 1."""
        return autoencoders.scaled(self.vae, autoencoders.encode(self.vae, picture, generator))

    def decode_latents(self, latents: Tensor) -> Tensor:
        """The picture, from -1 to 1. Shapes: latents (1, C, H, W), result (1, 3, height, width)."""
        return autoencoders.decode(self.vae, autoencoders.unscaled(self.vae, latents))

    def _time_ids(self, latents: Tensor) -> Tensor:
        """Original size, crop and target size of uncropped pictures. Shapes: latents (B, C, H, W), result (B, 6)."""
        scale = self.vae_scale_factor
        height, width = latents.shape[2] * scale, latents.shape[3] * scale
        return torch.tensor([[height, width, 0, 0, height, width]]).repeat(len(latents), 1)


def _states_before_last(output: Any) -> Tensor:
    states: Tensor = output.hidden_states[-2]
    return states
