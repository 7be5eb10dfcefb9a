"""What differs between the autoencoders of diffusers: their scale, and what they expect of latents."""

from collections.abc import Mapping
from typing import Any

import torch
from diffusers import AutoencoderDC
from torch import Tensor


def vae_scale_factor(vae: Any) -> int:
    """How many pixels one latent stands for, along each side."""
    if isinstance(vae, AutoencoderDC):
        return int(vae.spatial_compression_ratio)
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def needs_range(config: Mapping[str, Any]) -> bool:
    """Whether an autoencoder's configuration asks for float32: some overflow in less."""
    return bool(config.get("force_upcast"))


def decode(vae: Any, latents: Tensor) -> Tensor:
    """The picture of latents that have been freed from their scale.

    Shapes: latents (1, C, H, W), result (1, 3, height, width) in float32.
    """
    picture: Tensor = vae.decode(latents.to(vae.dtype), return_dict=False)[0]
    return picture.float()


def encode(vae: Any, picture: Tensor, generator: torch.Generator | None) -> Tensor:
    """A picture's latents in the autoencoder's own scale: a draw of what it allows, or without a generator the mode.

    Shapes: picture (1, 3, height, width) from -1 to 1, result (1, C, H, W) in float32, in the usual order in memory:
            kernels are chosen by it, and company must not decide on it.
    Source: must equal `retrieve_latents` of diffusers' pipelines; AutoencoderDC allows one only.
    """
    encoded = vae.encode(picture.to(vae.device, vae.dtype))
    if isinstance(vae, AutoencoderDC):
        latents: Tensor = encoded.latent
    else:
        posterior = encoded.latent_dist
        latents = posterior.mode() if generator is None else posterior.sample(generator)
    return latents.float().contiguous()


def scaled(vae: Any, latents: Tensor) -> Tensor:
    """The inverse of `unscaled`.

    Shapes: latents (1, C, H, W); result likewise.
    Source: must equal `StableDiffusionXLImg2ImgPipeline.prepare_latents`, and that of `StableDiffusionImg2ImgPipeline`
            where the autoencoder has no mean and deviation per channel.
    """
    mean, deviation = vae.config.get("latents_mean"), vae.config.get("latents_std")
    scale: float = vae.config.scaling_factor
    if mean is None or deviation is None:
        return scale * latents
    return (latents - _per_channel(mean, latents)) * scale / _per_channel(deviation, latents)


def shifted(vae: Any, latents: Tensor) -> Tensor:
    """The inverse of `unshifted`.

    Shapes: latents (1, C, H, W); result likewise.
    Source: must equal `StableDiffusion3Img2ImgPipeline.prepare_latents`.
    """
    scale: float = vae.config.scaling_factor
    shift: float = vae.config.shift_factor or 0.0
    return (latents - shift) * scale


def unscaled(vae: Any, latents: Tensor) -> Tensor:
    """Latents as the autoencoder made them, from latents as the network was trained on them.

    Shapes: latents (1, C, H, W); result likewise.
    Source: must equal the end of `StableDiffusionXLPipeline.__call__`, and of `StableDiffusionPipeline.__call__` where
            the autoencoder has no mean and deviation per channel.
    """
    mean, deviation = vae.config.get("latents_mean"), vae.config.get("latents_std")
    scale: float = vae.config.scaling_factor
    if mean is None or deviation is None:
        return latents / scale
    return latents * _per_channel(deviation, latents) / scale + _per_channel(mean, latents)


def unshifted(vae: Any, latents: Tensor) -> Tensor:
    """Latents as the autoencoder made them, where it moves their mean before the network is trained on them.

    Shapes: latents (1, C, H, W); result likewise.
    Source: must equal the end of `StableDiffusion3Pipeline.__call__`.
    """
    scale: float = vae.config.scaling_factor
    shift: float = vae.config.shift_factor or 0.0
    return latents / scale + shift


def _per_channel(values: list[float], latents: Tensor) -> Tensor:
    return torch.tensor(values).view(1, -1, 1, 1).to(latents)
