"""The model families, by the names that the catalogue uses."""

from contract.catalogue import Family
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.pipelines.stable_diffusion_xl import StableDiffusionXL

PIPELINES: dict[Family, type[StableDiffusion] | type[StableDiffusionXL]] = {
    "stable_diffusion": StableDiffusion,
    "stable_diffusion_xl": StableDiffusionXL,
}
