"""What AUTOMATIC1111 calls our schedulers: a sampler, and the schedule by which its noise levels are spaced."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from contract.request import Scheduler

OWN, KARRAS, TRAILING = "Automatic", "Karras", "SGM Uniform"
"""As the model's own scheduler spaces them, which is even in time; as Karras et al. do; evenly, from the last on."""

EVEN = "Uniform"
"""The first of these, for samplers whose `Automatic` is another one there."""


class SamplerName(NamedTuple):
    """A scheduler of ours in AUTOMATIC1111's words."""

    sampler: str
    schedule: str


SAMPLER_NAMES: Mapping[Scheduler, SamplerName] = MappingProxyType(
    {
        "euler": SamplerName("Euler", OWN),
        "euler_karras": SamplerName("Euler", KARRAS),
        "euler_trailing": SamplerName("Euler", TRAILING),
        "euler_ancestral": SamplerName("Euler a", OWN),
        "euler_ancestral_trailing": SamplerName("Euler a", TRAILING),
        "ddim": SamplerName("DDIM", OWN),
        "ddim_trailing": SamplerName("DDIM", TRAILING),
        "heun": SamplerName("Heun", OWN),
        "heun_karras": SamplerName("Heun", KARRAS),
        "heun_trailing": SamplerName("Heun", TRAILING),
        "dpmpp_2m": SamplerName("DPM++ 2M", EVEN),
        "dpmpp_2m_karras": SamplerName("DPM++ 2M", KARRAS),
        "dpmpp_2m_trailing": SamplerName("DPM++ 2M", TRAILING),
        "dpmpp_2m_sde": SamplerName("DPM++ 2M SDE", EVEN),
        "dpmpp_2m_sde_karras": SamplerName("DPM++ 2M SDE", KARRAS),
        "dpmpp_2m_sde_trailing": SamplerName("DPM++ 2M SDE", TRAILING),
        "unipc": SamplerName("UniPC", OWN),
        "unipc_karras": SamplerName("UniPC", KARRAS),
        "unipc_trailing": SamplerName("UniPC", TRAILING),
        "lcm": SamplerName("LCM", OWN),
        "tcd": SamplerName("TCD", OWN),
        "flow_match_euler": SamplerName("Euler", OWN),
        "flow_match_euler_trailing": SamplerName("Euler", TRAILING),
    }
)
"""Source: `samplers_k_diffusion` and `samplers_timesteps` of AUTOMATIC1111/stable-diffusion-webui 1.10. There the
`Automatic` of `DPM++ 2M` is Karras' schedule, and that of `DPM++ 2M SDE` an exponential one, which we have not."""
