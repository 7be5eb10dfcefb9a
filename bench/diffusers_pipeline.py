"""The embedded model in a plain pipeline of diffusers: what one gets without a server, and what B1 serves."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers import (
    AutoencoderDC,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
)

from contract.catalogue import ModelSpec
from contract.request import CompleteRequest
from worker.components import ModelFolder
from worker.devices import choose_placement
from worker.loading import model_path, packaged

SCHEDULERS: dict[str, Any] = {
    "ddim": DDIMScheduler,
    "euler": EulerDiscreteScheduler,
    "dpmpp_2m": DPMSolverMultistepScheduler,
}


class TakesGenerator(AutoencoderDC):  # type: ignore[misc]
    """AutoencoderDC as `StableDiffusionPipeline` calls it."""

    def decode(self, z: torch.Tensor, return_dict: bool = True, generator: torch.Generator | None = None) -> Any:
        return super().decode(z, return_dict=return_dict)


class BarePipeline:
    """All of it in the number format of our network, which is what diffusers' pipelines can run."""

    def __init__(self, spec: ModelSpec) -> None:
        placement = choose_placement()
        path = model_path(spec.source)
        folder = ModelFolder(path, placement, packaged(spec.text_encoder))
        unet = folder.unet()
        vae = TakesGenerator.from_pretrained(path / "vae", torch_dtype=unet.dtype, low_cpu_mem_usage=False)
        vae.register_to_config(block_out_channels=vae.config.encoder_block_out_channels)
        self._pipeline = StableDiffusionPipeline(
            vae=vae.eval().to(placement.device),
            text_encoder=folder.text_encoder().to(unet.dtype),
            tokenizer=folder.tokenizer(),
            unet=unet,
            scheduler=DDIMScheduler.from_pretrained(path / "scheduler"),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        self._pipeline.set_progress_bar_config(disable=True)
        self._config = self._pipeline.scheduler.config

    def draw(self, requests: Sequence[CompleteRequest]) -> list[Any]:
        """One picture a request, as one batch; all but prompt and seed is the first one's."""
        first = requests[0]
        self._pipeline.scheduler = SCHEDULERS[first.scheduler].from_config(self._config)
        pictures: list[Any] = self._pipeline(
            [request.prompt for request in requests],
            height=first.height,
            width=first.width,
            num_inference_steps=first.num_inference_steps,
            guidance_scale=first.guidance_scale,
            generator=[torch.Generator().manual_seed(request.seed) for request in requests],
        ).images
        return pictures
