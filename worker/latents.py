"""What stands before the first step: the shape of latents, and the noise that a seed means.

The letters of all shapes in `worker`: B rows of a batch, C channels, H and W height and width of latents,
L tokens of a prompt, D width of one token's embedding.
"""

import torch
from torch import Tensor

from contract.errors import LimitExceeded


def latents_shape(
    num_channels: int, height: int, width: int, vae_scale_factor: int, *, patch_size: int = 1
) -> tuple[int, int, int, int]:
    """The shape (1, C, H, W) of one image of this size.

    Units:  height and width in pixels, patch_size in latents.
    Raises: LimitExceeded, where a side is not a multiple of what one patch of latents stands for.
    """
    multiple = vae_scale_factor * patch_size
    for field, size in (("height", height), ("width", width)):
        if size % multiple:
            raise LimitExceeded(f"{field} must be a multiple of {multiple}, and is {size}.", field=field)
    return 1, num_channels, height // vae_scale_factor, width // vae_scale_factor


def image_seq_len(latents: Tensor) -> int:
    """How many tokens a transformer makes of one image: one of every 2 × 2 latents. Shapes: latents (1, C, H, W)."""
    height, width = latents.shape[2:]
    return (height // 2) * (width // 2)


def seeded_generator(seed: int) -> torch.Generator:
    """The source of all noise of one image: on the CPU, so that every device sees the same numbers."""
    return torch.Generator("cpu").manual_seed(seed)


def draw_noise(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """The generator's next numbers, normally distributed.

    Shapes: result `shape`, float32.
    Source: must equal `diffusers.utils.torch_utils.randn_tensor` with a CPU generator.
    """
    return torch.randn(shape, generator=generator, dtype=torch.float32).to(device)
