"""From a request to where its image starts: at noise, or at a picture with a canvas to paint on."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from contract.editing import Size
from contract.errors import UnsupportedEdit
from contract.request import CompleteRequest
from worker import fills, masks
from worker.canvas import Canvas
from worker.images import Pixels
from worker.inputs import Inputs, read_mask, read_pixels, tensor_of
from worker.latents import image_seq_len
from worker.masks import Mask
from worker.samplers import SAMPLERS
from worker.schedules import Schedule
from worker.sigmas import noised
from worker.stepwise_pipeline import StepwisePipeline


@dataclass(frozen=True, eq=False, slots=True)
class Start:
    """An image before its first step. Shapes: latents (1, C, H, W)."""

    schedule: Schedule
    latents: Tensor
    canvas: Canvas | None = None


def begin(request: CompleteRequest, inputs: Inputs, pipeline: StepwisePipeline, generator: torch.Generator) -> Start:
    """Where an image starts: at noise, or at a picture with as much noise as its strength asks for.

    Raises: LimitExceeded, InvalidMask, UnsupportedEdit, UnsupportedScheduler.
    """
    if request.image is None:
        return _from_noise(request, pipeline, generator)
    picture = read_pixels(inputs[request.image])
    mask = None if request.mask is None else read_mask(inputs[request.mask])
    result_size = Size(*picture.shape[:2]).times(request.upscale or 1)
    picture, mask = laid_out(request, picture, mask)
    start = _from_picture(request, picture, pipeline, generator)
    if request.upscale is not None:
        return replace(start, canvas=replace(start.canvas, result_size=result_size))
    return start if mask is None else _masked(request, start, mask, pipeline)


def laid_out(request: CompleteRequest, picture: Pixels, mask: Mask | None) -> tuple[Pixels, Mask | None]:
    """The picture in the size of the result, and what of it may change. Raises: InvalidMask."""
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


def _from_noise(request: CompleteRequest, pipeline: StepwisePipeline, generator: torch.Generator) -> Start:
    noise = pipeline.prepare_latents(request.height, request.width, generator)
    schedule = _whole(request, pipeline, noise)
    return Start(schedule, noise * schedule.init_noise_sigma)


def _from_picture(
    request: CompleteRequest, picture: Pixels, pipeline: StepwisePipeline, generator: torch.Generator
) -> Start:
    """Source: must equal `prepare_latents` of diffusers' pipelines for images and for inpainting."""
    clean = pipeline.encode_picture(tensor_of(picture), generator)
    noise = pipeline.prepare_latents(request.height, request.width, generator)
    schedule = _whole(request, pipeline, noise).from_strength(request.effective_strength)
    if request.is_inpainting and request.effective_strength == 1:
        latents = noise * schedule.init_noise_sigma
    else:
        latents = noised(clean, noise, schedule.evaluations[0].here)
    return Start(schedule, latents, Canvas(picture, clean, noise))


def _masked(request: CompleteRequest, start: Start, mask: Mask, pipeline: StepwisePipeline) -> Start:
    free = masks.largest(mask, *start.latents.shape[2:])
    if request.mask_mode == "strength":
        kept = masks.kept_until_strength(
            free, request.effective_strength, _whole(request, pipeline, start.latents), start.schedule
        )
        mask = np.where(mask > 0, np.uint8(255), np.uint8(0))
    else:
        kept = masks.kept_until(free)
    times = request.num_resamplings
    canvas = replace(start.canvas, mask=mask, kept_until=kept, fresh_noise=times > 1)
    return Start(start.schedule, start.latents, canvas)


def _whole(request: CompleteRequest, pipeline: StepwisePipeline, latents: Tensor) -> Schedule:
    sampler = SAMPLERS[request.scheduler]
    return sampler.schedule_for(pipeline.trained_noise, request.num_inference_steps, image_seq_len(latents))
