"""How wrong a network is about noisy latents: what it is to say, what each timestep counts, and how it draws."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from worker import rules, sigmas
from worker.denoiser import DENOISERS
from worker.fine_tuning.draws import stratified_timesteps
from worker.images import Pixels, pixels_of
from worker.latents import seeded_generator
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.rules import Point
from worker.sigmas import Level
from worker.trained_noise import DiffusionNoise

States = Callable[[Sequence[str]], Tensor]
"""From captions to what the network attends to. Shapes: result (B, L, D)."""

MIN_SNR_GAMMA = 5.0


@dataclass(frozen=True, eq=False)
class Noised:
    """Clean latents (B, C, H, W) with noise, at these timesteps (B,)."""

    clean: Tensor
    noise: Tensor
    timesteps: Tensor

    @classmethod
    def drawn(cls, clean: Tensor, noise: DiffusionNoise, generator: torch.Generator) -> "Noised":
        """With timesteps from all over the way."""
        timesteps = stratified_timesteps(len(clean), noise.num_train_timesteps, generator)
        return cls(clean, torch.randn(clean.shape, generator=generator), timesteps)


def errors(model: StableDiffusion, noised: Noised, states: Tensor, beside: Tensor | None = None) -> Tensor:
    """The squared error of each row, weighted; `beside` is what the network sees next to the noisy latents.

    Shapes: states (B, L, D), beside (B, E, H, W), result (B,).

    What predicts v is not weighted: that is what it was trained on, and with zero terminal signal min-SNR would not
    count the first steps of sampling at all, where it is decided what a picture is of.
    Source: Salimans & Ho 2022, arXiv:2202.00512, appendix D (v); Hang et al. 2023, arXiv:2303.09556, section 3.4
            (min-SNR, for epsilon).
    """
    trained = diffusion_noise(model)
    kept = trained.alphas_cumprod[noised.timesteps].view(-1, 1, 1, 1)
    level = Level(kept**0.5, (1 - kept) ** 0.5, torch.ones_like(kept))
    noisy = sigmas.noised(noised.clean, noised.noise, level)
    seen = noisy if beside is None else torch.cat([noisy, beside], dim=1)
    seen = seen.contiguous(memory_format=torch.channels_last)
    output = model.network(seen, noised.timesteps, encoder_hidden_states=states, return_dict=False)[0]
    if trained.output == "v_prediction":
        return _mean_square(output - (level.alpha * noised.noise - level.sigma * noised.clean))
    ratio = (kept / (1 - kept)).flatten()
    return _mean_square(output - noised.noise) * ratio.clamp_max(MIN_SNR_GAMMA) / ratio


def _mean_square(difference: Tensor) -> Tensor:
    return difference.square().mean(dim=(1, 2, 3))


def diffusion_noise(model: StableDiffusion) -> DiffusionNoise:
    """What the model was trained on, which in this family is no flow."""
    noise = model.trained_noise
    if not isinstance(noise, DiffusionNoise):
        raise TypeError("This family is trained on noise that preserves variance.")
    return noise


@dataclass(frozen=True)
class Brush:
    """How samples are drawn; `size` in pixels."""

    size: int
    num_steps: int
    guidance_scale: float


@torch.no_grad()
def paint(
    model: StableDiffusion, states: States, prompts: Sequence[str], seeds: Sequence[int], brush: Brush
) -> list[Pixels]:
    """A picture of each prompt from each seed, by DDIM with classifier-free guidance.

    Source: Song et al. 2020, arXiv:2010.02502, equation 12; Ho & Salimans 2022, arXiv:2207.12598, equation 6.
    """
    trained = diffusion_noise(model)
    both = torch.cat([states([""]).expand(len(prompts), -1, -1), states(prompts)])
    latents = torch.cat([model.prepare_latents(brush.size, brush.size, seeded_generator(seed)) for seed in seeds])
    for leg in sigmas.ddim(trained, brush.num_steps, "trained").legs:
        doubled = torch.cat([latents, latents]).contiguous(memory_format=torch.channels_last)
        output = model.network(doubled, leg.timestep, encoder_hidden_states=both, return_dict=False)[0]
        without, given = DENOISERS[trained.output](output, doubled, leg.here).chunk(2)
        denoised = without + brush.guidance_scale * (given - without)
        latents = rules.ddim(Point(latents, denoised, (*leg.here[:2], *leg.there[:2]))).latents
    return [pixels_of(model.decode_latents(one.contiguous())) for one in latents.split(1)]
