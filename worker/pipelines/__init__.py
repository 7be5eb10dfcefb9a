"""The model families, by the names that the catalogue uses."""

from contract.catalogue import Family
from worker.pipelines.flux import Flux
from worker.pipelines.stable_diffusion import StableDiffusion
from worker.pipelines.stable_diffusion_3 import StableDiffusion3
from worker.pipelines.stable_diffusion_xl import StableDiffusionXL
from worker.pipelines.whole import WholePipeline

PIPELINES: dict[
    Family,
    type[StableDiffusion] | type[StableDiffusionXL] | type[StableDiffusion3] | type[Flux] | type[WholePipeline],
] = {
    "stable_diffusion": StableDiffusion,
    "stable_diffusion_xl": StableDiffusionXL,
    "stable_diffusion_3": StableDiffusion3,
    "flux": Flux,
    "diffusers": WholePipeline,
}
