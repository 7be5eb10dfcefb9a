"""From a request to where its image starts: at noise, or at a picture with a canvas to paint on."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from contract.editing import Size
from contract.request import CompleteRequest
from worker import fills, masks
from worker.canvas import Canvas
from worker.guiders import Outputs, Part
from worker.images import Pixels
from worker.inputs import Inputs, read_mask, read_pixels, tensor_of
from worker.keeping import Original
from worker.latents import image_seq_len
from worker.masks import Mask
from worker.posterior import Misfit
from worker.removal import LooksAround
from worker.samplers import SAMPLERS
from worker.schedules import Schedule
from worker.sigmas import noised
from worker.stepwise_pipeline import StepwisePipeline


class Start(NamedTuple):
    """An image before its first step, and what its canvas adds to its guidance. Shapes: latents (1, C, H, W)."""

    schedule: Schedule
    latents: Tensor
    canvas: Canvas | None = None
    parts: tuple[Part, ...] = ()


class Painted(NamedTuple):
    """The same with a canvas."""

    schedule: Schedule
    latents: Tensor
    canvas: Canvas
    parts: tuple[Part, ...] = ()

    @property
    def original(self) -> Original:
        """The latents of the picture. Raises: ValueError, where it is painted over no picture's."""
        if self.canvas.original is None:
            raise ValueError("This canvas has no latents of its own.")
        return self.canvas.original

    def with_canvas(self, canvas: Canvas, *parts: Part) -> "Painted":
        """The same with another one."""
        return self._replace(canvas=canvas, parts=parts)


def begin(request: CompleteRequest, inputs: Inputs, pipeline: StepwisePipeline, generator: torch.Generator) -> Start:
    """Where an image starts: at noise, or at a picture with as much noise as its strength asks for.

    Raises: LimitExceeded, DamagedFile, InvalidMask.
    """
    if request.image is None:
        return Start(*_from_noise(request, pipeline, generator))
    own = read_pixels(inputs[request.image])
    mask = None if request.mask is None else read_mask(inputs[request.mask])
    picture, mask = laid_out(request, own, mask)
    enlarged = None if request.upscale is None else Size(*own.shape[:2]).times(request.upscale)
    return Start(*_painted(request, picture, mask, pipeline, generator, enlarged))


def _painted(
    request: CompleteRequest,
    picture: Pixels,
    mask: Mask | None,
    pipeline: StepwisePipeline,
    generator: torch.Generator,
    result_size: Size | None,
) -> Painted:
    if pipeline.num_extra_channels == pipeline.num_latent_channels:
        return _beside(request, picture, pipeline, generator)
    if pipeline.num_extra_channels and mask is not None:
        return _around(request, picture, mask, pipeline, generator)
    painted = _over(request, picture, pipeline, generator)
    if mask is not None:
        return _masked(request, painted, mask, pipeline)
    return painted.with_canvas(replace(painted.canvas, result_size=result_size))


def laid_out(request: CompleteRequest, picture: Pixels, mask: Mask | None) -> tuple[Pixels, Mask | None]:
    """The picture in the size of the canvas, and what of it may change. Raises: InvalidMask."""
    size = Size(request.height, request.width)
    if mask is not None:
        masks.check(mask, picture)
    if request.upscale is not None:
        return fills.resampled(picture, size), None
    inner = size if request.expand is None else size.less(request.expand.margins)
    if request.resize is not None:
        picture = fills.resized(picture, inner, request.resize)
        mask = None if mask is None else fills.resized(mask, inner, request.resize)
    if request.expand is not None:
        return fills.expanded(picture, request.expand), fills.expanded_mask(mask, inner, request.expand)
    return picture, mask


def _from_noise(
    request: CompleteRequest, pipeline: StepwisePipeline, generator: torch.Generator
) -> tuple[Schedule, Tensor]:
    noise = pipeline.prepare_latents(request.height, request.width, generator)
    schedule = _whole(request, pipeline, noise)
    return schedule, noise * schedule.init_noise_sigma


def _over(request: CompleteRequest, picture: Pixels, pipeline: StepwisePipeline, generator: torch.Generator) -> Painted:
    """Over the picture. Source: must equal `prepare_latents` of diffusers' pipelines for images and for inpainting."""
    clean = pipeline.encode_picture(tensor_of(picture), generator)
    noise = pipeline.prepare_latents(request.height, request.width, generator)
    schedule = _whole(request, pipeline, noise).from_strength(request.effective_strength)
    if request.is_inpainting and request.effective_strength == 1:
        latents = noise * schedule.init_noise_sigma
    else:
        latents = noised(clean, noise, schedule.evaluations[0].here)
    return Painted(schedule, latents, Canvas(picture, original=Original(clean, noise)))


def _masked(request: CompleteRequest, painted: Painted, mask: Mask, pipeline: StepwisePipeline) -> Painted:
    """Over a part of the picture, while the rest is kept in the latents too."""
    free = masks.largest(mask, *painted.latents.shape[2:])
    if request.mask_mode == "strength":
        whole = _whole(request, pipeline, painted.latents)
        kept = masks.kept_until_strength(free, request.effective_strength, whole, painted.schedule)
        mask = np.where(mask > 0, np.uint8(255), np.uint8(0))
    else:
        kept = masks.kept_until(free)
    canvas = replace(
        painted.canvas,
        mask=mask,
        original=painted.original.kept(kept, fresh_noise=request.num_resamplings > 1),
        steering=(LooksAround(free),) if request.remove else (),
    )
    misfit = Misfit(painted.original.clean, (free == 0).float())
    return painted.with_canvas(canvas, *([Part(energy=misfit)] if request.inpaint_method == "quality" else []))


def _around(
    request: CompleteRequest, picture: Pixels, mask: Mask, pipeline: StepwisePipeline, generator: torch.Generator
) -> Painted:
    """Over a picture that the network sees with its hole. Source: must equal `StableDiffusionInpaintPipeline`."""
    if request.effective_strength == 1:
        schedule, latents = _from_noise(request, pipeline, generator)
    else:
        schedule, latents, *_ = _over(request, picture, pipeline, generator)
    holed = pipeline.encode_picture(tensor_of(picture) * torch.from_numpy(mask < 128), generator)
    extra = torch.cat([masks.corners(mask, *latents.shape[2:]), holed], dim=1)
    return Painted(schedule, latents, Canvas(picture, mask=mask, extra=extra))


def _beside(
    request: CompleteRequest, picture: Pixels, pipeline: StepwisePipeline, generator: torch.Generator
) -> Painted:
    """Beside the picture. Source: must equal `StableDiffusionInstructPix2PixPipeline`."""
    extra = pipeline.encode_picture(tensor_of(picture), None)
    schedule, latents = _from_noise(request, pipeline, generator)
    scale = request.image_guidance_scale or 1.0
    keeping = Part(roles=("nothing", "negative"), mixing=Keeping(scale))
    return Painted(schedule, latents, Canvas(picture, extra=extra), (keeping,) if scale > 1 else ())


def _whole(request: CompleteRequest, pipeline: StepwisePipeline, latents: Tensor) -> Schedule:
    sampler = SAMPLERS[request.scheduler]
    return sampler.schedule_for(pipeline.trained_noise, request.num_inference_steps, image_seq_len(latents))


@dataclass(frozen=True, slots=True)
class Keeping:
    """Pushes the prediction towards the picture that it changes.

    Source: Brooks et al. 2022, arXiv:2211.09800, equation 3.
    """

    scale: float

    def __call__(self, prediction: Tensor, outputs: Outputs) -> Tensor:
        """Shapes: prediction (1, C, H, W); result likewise."""
        return prediction + (self.scale - 1.0) * (outputs["negative"] - outputs["nothing"])
