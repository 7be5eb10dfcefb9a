"""From a request to where its image starts: at noise, or at a picture with a canvas to paint on."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from contract.editing import Size
from contract.maps import MapSpec
from contract.request import CompleteRequest
from worker import fills, masks
from worker.canvas import Canvas
from worker.images import Pixels
from worker.inputs import Inputs, read_mask, read_pixels, tensor_of
from worker.instructions import Keeping
from worker.keeping import Original
from worker.latents import image_seq_len
from worker.masks import Mask, Region
from worker.posterior import Misfit
from worker.removal import LooksAround
from worker.samplers import SAMPLERS
from worker.schedules import Schedule
from worker.sigmas import noised
from worker.stages import Part
from worker.stepwise_pipeline import StepwisePipeline


class Start(NamedTuple):
    """An image before its first step, and what its canvas adds to its guidance. Shapes: latents (1, C, H, W)."""

    schedule: Schedule
    latents: Tensor
    canvas: Canvas | None = None
    parts: tuple[Part, ...] = ()


class Layout(NamedTuple):
    """A picture in the size of the canvas, what of it may change, and the size of the result where it is another.

    `whole` is where it comes from, where only a region of a picture is painted.
    """

    picture: Pixels
    mask: Mask | None = None
    result_size: Size | None = None
    whole: "Whole | None" = None


class Whole(NamedTuple):
    """A picture of which a region is painted. Shapes: picture (height, width, 3), mask (height, width)."""

    picture: Pixels
    mask: Mask
    region: Region

    def laid_out(self, size: Size, shown: Pixels) -> Layout:
        """The region in this size, of what is shown of the picture."""
        picture, mask = (fills.resampled(pixels[self.region], size) for pixels in (shown, self.mask))
        return Layout(picture, mask, whole=self)

    def around(self, canvas: Canvas) -> Canvas:
        """The canvas of the region, set into the picture."""
        return replace(canvas, picture=self.picture, mask=self.mask, region=self.region)


def begin(request: CompleteRequest, inputs: Inputs, pipeline: StepwisePipeline, generator: torch.Generator) -> Start:
    """Where an image starts: at noise, or at a picture with as much noise as its strength asks for.

    Raises: LimitExceeded, DamagedFile, InvalidMask.
    """
    easel = Easel(request, pipeline, generator)
    if request.image is None:
        return Start(*easel.noise())
    mask = None if request.mask is None else read_mask(inputs[request.mask])
    picture = read_pixels(inputs[request.image])
    layout = laid_out(request, picture, mask)
    if pipeline.map is not None and layout.picture.shape != picture.shape:
        layout = layout._replace(result_size=Size(*picture.shape[:2]))
    return easel.start(layout)


def laid_out(request: CompleteRequest, picture: Pixels, mask: Mask | None) -> Layout:
    """The picture, and what of it may change, in the size of the canvas. Raises: InvalidMask."""
    size = Size(request.height, request.width)
    if mask is not None:
        masks.check(mask, picture)
    if request.upscale is not None:
        result_size = Size(*picture.shape[:2]).times(request.upscale)
        return Layout(fills.resampled(picture, size), None, None if result_size == size else result_size)
    if request.mask_padding is not None and mask is not None:
        whole = Whole(picture, mask, masks.region(mask, request.mask_padding, size))
        return whole.laid_out(size, fills.harmonic(picture, mask) if request.remove else picture)
    if request.resize == "latents":
        return Layout(picture)
    inner = size if request.expand is None else size.less(request.expand.margins)
    if request.resize is not None:
        picture = fills.resized(picture, inner, request.resize)
        mask = None if mask is None else fills.resized(mask, inner, request.resize)
    if request.expand is not None:
        return Layout(fills.expanded(picture, request.expand), fills.expanded_mask(mask, inner, request.expand))
    return Layout(picture, mask)


@dataclass(frozen=True, eq=False, slots=True)
class Easel:
    """What every kind of edit needs; the generator's numbers are drawn in the order of diffusers' pipelines."""

    request: CompleteRequest
    pipeline: StepwisePipeline
    generator: torch.Generator

    def start(self, layout: Layout) -> Start:
        """Where an image over or beside a picture starts."""
        start = self._start(layout)
        if layout.whole is None or start.canvas is None:
            return start
        return start._replace(canvas=layout.whole.around(start.canvas))

    def _start(self, layout: Layout) -> Start:
        """By what the network was trained for."""
        if self.pipeline.map is not None:
            return self._mapped(layout, self.pipeline.map)
        if self.pipeline.num_extra_channels == self.pipeline.num_latent_channels:
            return self._beside(layout.picture)
        if self.pipeline.num_extra_channels and layout.mask is not None:
            return self._around(layout.picture, layout.mask)
        if layout.mask is not None:
            return self._within(layout.picture, layout.mask)
        schedule, latents, original = self._over(layout.picture)
        return Start(schedule, latents, Canvas(layout.picture, original=original, result_size=layout.result_size))

    def noise(self) -> tuple[Schedule, Tensor]:
        """The first latents of an image that starts at noise, (1, C, H, W)."""
        noise = self._draw()
        schedule = self._whole(noise)
        return schedule, noise * schedule.init_noise_sigma

    def _over(self, picture: Pixels) -> tuple[Schedule, Tensor, Original]:
        """Over a picture. Source: must equal `prepare_latents` of diffusers' pipelines for images and inpainting."""
        clean = self.pipeline.encode_picture(tensor_of(picture), self.generator)
        noise, strength = self._draw(), self.request.effective_strength
        if self.request.resize == "latents":
            clean = functional.interpolate(clean, noise.shape[2:], mode="bilinear")
        schedule = self._whole(noise).from_strength(strength)
        if self.request.is_inpainting and strength == 1:
            latents = noise * schedule.init_noise_sigma
        else:
            latents = noised(clean, noise, schedule.evaluations[0].here)
        return schedule, latents, Original(clean, noise)

    def _within(self, picture: Pixels, mask: Mask) -> Start:
        """Over a part of a picture, while the rest is kept in the latents too. Removal begins with a smooth fill."""
        request = self.request
        schedule, latents, original = self._over(fills.harmonic(picture, mask) if request.remove else picture)
        free = masks.largest(mask, *latents.shape[2:])
        if request.mask_mode == "strength":
            until = masks.kept_until_strength(free, request.effective_strength, self._whole(latents), schedule)
            mask = np.where(mask > 0, np.uint8(255), np.uint8(0))
        else:
            until = masks.kept_until(free)
        original = replace(original, until=until, fresh_noise=request.num_resamplings > 1)
        steering = (LooksAround(free),) if request.remove else ()
        pulling = (Part(energy=Misfit(original.clean, free == 0)),) if request.inpaint_method == "quality" else ()
        return Start(schedule, latents, Canvas(picture, mask, original, steering=steering), pulling)

    def _around(self, picture: Pixels, mask: Mask) -> Start:
        """Over a picture that the network sees with a hole. Source: must equal `StableDiffusionInpaintPipeline`."""
        schedule, latents = self.noise() if self.request.effective_strength == 1 else self._over(picture)[:2]
        holed = self.pipeline.encode_picture(tensor_of(picture) * torch.from_numpy(mask < 128), self.generator)
        extra = torch.cat([masks.corners(mask, *latents.shape[2:]), holed], dim=1)
        return Start(schedule, latents, Canvas(picture, mask, extra=extra))

    def _beside(self, picture: Pixels) -> Start:
        """Beside the picture. Source: must equal `StableDiffusionInstructPix2PixPipeline`."""
        extra = self.pipeline.encode_beside(tensor_of(picture))
        schedule, latents = self.noise()
        scale = self.request.image_guidance_scale or 1.0
        keeping = (Part(roles=("nothing", "negative"), mixing=Keeping(scale)),) if scale > 1 else ()
        return Start(schedule, latents, Canvas(picture, extra=extra), keeping)

    def _mapped(self, layout: Layout, made: MapSpec) -> Start:
        """Beside the picture, to draw a map of it. Source: Martin Garcia et al. 2024, arXiv:2409.11355, section 4."""
        extra = self.pipeline.encode_picture(tensor_of(layout.picture), None)
        schedule, latents = self.noise()
        canvas = Canvas(layout.picture, extra=extra, result_size=layout.result_size, task=made.task)
        return Start(schedule, torch.zeros_like(latents) if made.begins_at == "zeros" else latents, canvas)

    def _draw(self) -> Tensor:
        return self.pipeline.prepare_latents(self.request.height, self.request.width, self.generator)

    def _whole(self, latents: Tensor) -> Schedule:
        sampler = SAMPLERS[self.request.scheduler]
        num_steps = self.request.num_inference_steps
        return sampler.schedule_for(self.pipeline.trained_noise, num_steps, image_seq_len(latents))
