"""What noise a network was trained on, read from a `scheduler_config.json` of diffusers."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from contract.errors import ModelUnavailable

Output = Literal["epsilon", "v_prediction", "flow"]

SMALLEST_ALPHA_CUMPROD = 2.0**-24
"""Stands in for zero where a noise level relative to the signal must be finite."""

FLOW_SCHEDULER = "FlowMatchEulerDiscreteScheduler"

DIFFUSION_SCHEDULERS = frozenset(
    {
        "DDIMScheduler",
        "DDPMScheduler",
        "DEISMultistepScheduler",
        "DPMSolverMultistepScheduler",
        "DPMSolverSinglestepScheduler",
        "EulerAncestralDiscreteScheduler",
        "EulerDiscreteScheduler",
        "HeunDiscreteScheduler",
        "KDPM2AncestralDiscreteScheduler",
        "KDPM2DiscreteScheduler",
        "LCMScheduler",
        "LMSDiscreteScheduler",
        "PNDMScheduler",
        "TCDScheduler",
        "UniPCMultistepScheduler",
    }
)
"""Schedulers whose configuration describes the network's noise by its betas."""

DISTILLED: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
"""What LCMScheduler and TCDScheduler mean by a configuration that does not say it."""

SUPPORTED: dict[str, tuple[Any, ...]] = {
    "interpolation_type": ("linear",),
    "timestep_type": ("discrete",),
    "final_sigmas_type": ("zero",),
    "thresholding": (False, None),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "use_lu_lambdas": (False, None),
    "use_flow_sigmas": (False, None),
    "time_shift_type": ("exponential", "linear"),
    "timestep_scaling": (10.0,),
    "invert_sigmas": (False, None),
    "stochastic_sampling": (False, None),
    "lambda_min_clipped": (-math.inf,),
    "sigma_min": (None,),
    "sigma_max": (None,),
    "shift_terminal": (None, False, 0),
    "timestep_spacing": (None, "leading", "linspace", "trailing"),
    "_class_name": (*DIFFUSION_SCHEDULERS, FLOW_SCHEDULER),
}
"""Entries that change the noise levels, with the only values that this engine follows."""


@dataclass(frozen=True, eq=False)
class DiffusionNoise:
    """Noise that preserves variance, in discrete steps; the same only as itself.

    `alphas_cumprod` is what is left of the signal's variance after each of the T steps, (T,). The other fields bear
    diffusers' names; None is an entry that the file does not have.
    """

    alphas_cumprod: Tensor
    output: Output
    timestep_spacing: str | None
    steps_offset: int
    set_alpha_to_one: bool
    use_karras_sigmas: bool
    whole_karras_timesteps: bool
    original_inference_steps: int

    @property
    def num_train_timesteps(self) -> int:
        """The number T of noise levels in training."""
        return len(self.alphas_cumprod)

    @property
    def finite_sigmas(self) -> Tensor:
        """Noise relative to signal, rising and finite even with zero terminal signal, (T,)."""
        kept = torch.where(self.alphas_cumprod == 0, SMALLEST_ALPHA_CUMPROD, self.alphas_cumprod)
        return ((1 - kept) / kept) ** 0.5


@dataclass(frozen=True)
class DynamicShift:
    """How far the levels move towards noise, by the number of tokens of an image; the fields bear diffusers' names."""

    base_shift: float
    max_shift: float
    base_image_seq_len: int
    max_image_seq_len: int
    time_shift_type: Literal["exponential", "linear"]

    def factor(self, image_seq_len: int) -> float:
        """The factor by which the ratio of noise to signal grows.

        Source: must equal `calculate_shift` of `FluxPipeline`, and what `time_shift` makes of it.
        """
        slope = (self.max_shift - self.base_shift) / (self.max_image_seq_len - self.base_image_seq_len)
        mu = image_seq_len * slope + (self.base_shift - slope * self.base_image_seq_len)
        return math.exp(mu) if self.time_shift_type == "exponential" else mu


@dataclass(frozen=True)
class FlowNoise:
    """Noise mixed with the signal along a straight line; `shift`, or else `dynamic_shift`, moves it towards noise."""

    num_train_timesteps: int
    shift: float
    use_karras_sigmas: bool
    dynamic_shift: DynamicShift | None = None
    output: Output = "flow"


TrainedNoise = DiffusionNoise | FlowNoise


def read_trained_noise(config: Mapping[str, Any]) -> TrainedNoise:
    """The noise that a scheduler's configuration describes. Raises: ModelUnavailable."""
    for entry, known in SUPPORTED.items():
        if config.get(entry, known[0]) not in known:
            raise ModelUnavailable(f"scheduler_config.json has {entry} = {config[entry]!r}, which is not supported.")
    if config.get("_class_name") == FLOW_SCHEDULER:
        return _flow_noise(config)
    if config.get("_class_name") in ("LCMScheduler", "TCDScheduler"):
        return _diffusion_noise(DISTILLED | dict(config))
    return _diffusion_noise(config)


def _flow_noise(config: Mapping[str, Any]) -> FlowNoise:
    return FlowNoise(
        num_train_timesteps=config.get("num_train_timesteps", 1000),
        shift=config.get("shift", 1.0),
        use_karras_sigmas=config.get("use_karras_sigmas") is True,
        dynamic_shift=_dynamic_shift(config) if config.get("use_dynamic_shifting") else None,
    )


def _dynamic_shift(config: Mapping[str, Any]) -> DynamicShift:
    return DynamicShift(
        base_shift=config.get("base_shift", 0.5),
        max_shift=config.get("max_shift", 1.15),
        base_image_seq_len=config.get("base_image_seq_len", 256),
        max_image_seq_len=config.get("max_image_seq_len", 4096),
        time_shift_type=config.get("time_shift_type", "exponential"),
    )


def _diffusion_noise(config: Mapping[str, Any]) -> DiffusionNoise:
    output = config.get("prediction_type", "epsilon")
    if output not in ("epsilon", "v_prediction"):
        raise ModelUnavailable(f"scheduler_config.json has prediction_type = {output!r}, which is not supported.")
    if config.get("use_dynamic_shifting"):
        raise ModelUnavailable("scheduler_config.json has use_dynamic_shifting, which is for models that predict flow.")
    betas = trained_betas(config)
    if config.get("rescale_betas_zero_snr"):
        betas = with_zero_terminal_snr(betas)
    return DiffusionNoise(
        alphas_cumprod=torch.cumprod(1.0 - betas, dim=0),
        output=output,
        timestep_spacing=config.get("timestep_spacing"),
        steps_offset=config.get("steps_offset", 0),
        set_alpha_to_one=config.get("set_alpha_to_one", True),
        use_karras_sigmas=config.get("use_karras_sigmas") is True,
        whole_karras_timesteps=config.get("beta_schedule") != "squaredcos_cap_v2",
        original_inference_steps=config.get("original_inference_steps") or 50,
    )


def trained_betas(config: Mapping[str, Any]) -> Tensor:
    """The variance of the noise added at each training step.

    Shapes: result (T,), float32.
    Source: Ho et al. 2020, arXiv:2006.11239, section 4 (linear); Rombach et al. 2022, arXiv:2112.10752, appendix B
            (scaled_linear); Nichol & Dhariwal 2021, arXiv:2102.09672, equation 17 (squaredcos_cap_v2).
    Raises: ModelUnavailable.
    """
    if config.get("trained_betas") is not None:
        return torch.tensor(config["trained_betas"], dtype=torch.float32)
    first, last = config.get("beta_start", 0.0001), config.get("beta_end", 0.02)
    steps = config.get("num_train_timesteps", 1000)
    match config.get("beta_schedule", "linear"):
        case "linear":
            return torch.linspace(first, last, steps, dtype=torch.float32)
        case "scaled_linear":
            return torch.linspace(first**0.5, last**0.5, steps, dtype=torch.float32) ** 2
        case "squaredcos_cap_v2":
            return _squared_cosine_betas(steps)
        case unknown:
            raise ModelUnavailable(f"scheduler_config.json has beta_schedule = {unknown!r}, which is not supported.")


def _squared_cosine_betas(steps: int) -> Tensor:
    kept = [math.cos((step / steps + 0.008) / 1.008 * math.pi / 2) ** 2 for step in range(steps + 1)]
    return torch.tensor([min(1 - kept[step + 1] / kept[step], 0.999) for step in range(steps)], dtype=torch.float32)


def with_zero_terminal_snr(betas: Tensor) -> Tensor:
    """The betas whose last step leaves no signal and whose first step stays what it was.

    Shapes: betas (T,); result likewise.
    Source: Lin et al. 2023, arXiv:2305.08891, Algorithm 1.
    """
    roots = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = roots[0].clone(), roots[-1].clone()
    kept = ((roots - last) * (first / (first - last))) ** 2
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])
