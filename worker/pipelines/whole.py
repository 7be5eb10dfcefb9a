"""Any other pipeline of diffusers: run whole, one picture at a time, with the scheduler that it was saved with."""

import inspect
import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import numpy as np
import torch
from PIL import Image

from contract.errors import GenerationFailed, ModelUnavailable
from contract.request import CompleteRequest
from worker.components import ModelFolder
from worker.images import Pixels
from worker.latents import seeded_generator
from worker.parts import whole_pipeline
from worker.weights import weight_bytes

OnStep = Callable[[int], bool]
"""Hears of each step done, counted from 1, and says whether to go on."""

TAKEN = ("prompt", "negative_prompt", "height", "width", "num_inference_steps", "guidance_scale")
"""What a pipeline may take of a request, under diffusers' own names."""

OWN_SCHEDULERS = {
    "DDIMScheduler": ("ddim",),
    "DPMSolverMultistepScheduler": ("dpmpp_2m",),
    "EulerAncestralDiscreteScheduler": ("euler_ancestral",),
    "EulerDiscreteScheduler": ("euler",),
    "FlowMatchEulerDiscreteScheduler": ("euler", "flow_match_euler"),
    "HeunDiscreteScheduler": ("heun",),
    "LCMScheduler": ("lcm",),
    "TCDScheduler": ("tcd",),
    "UniPCMultistepScheduler": ("unipc",),
}
"""Which names of a request a pipeline's own scheduler answers to."""


class WholePipeline:
    """A pipeline that has the device to itself from the first step to the picture.

    Promise: nothing of a request is left out silently; what the pipeline has no argument for is a warning.
    """

    def __init__(self, pipeline: Any, weights_digest: str) -> None:
        self._pipeline = pipeline
        self._weights_digest = weights_digest
        self._arguments = frozenset(inspect.signature(type(pipeline).__call__).parameters)

    @classmethod
    def load(cls, folder: ModelFolder) -> Self:
        """The model in a folder. Raises: ModelUnavailable."""
        if folder.packaged is not None:
            raise ModelUnavailable("A pipeline that is run whole takes no text encoder out of a package.")
        pipeline = whole_pipeline(folder)
        _refuse_other_inputs(pipeline)
        parts = [name for name in pipeline.components if folder.has(name)]
        digests = folder.digests(text=(), picture=parts)
        return cls(pipeline.to(folder.placement.device), digests.weights)

    @property
    def weights_digest(self) -> str:
        """SHA-256, in hex, of the files of all parts."""
        return self._weights_digest

    @property
    def networks(self) -> Mapping[str, torch.nn.Module]:
        """Its networks, under diffusers' names."""
        parts = self._pipeline.components.items()
        return {name: part for name, part in parts if isinstance(part, torch.nn.Module)}

    @property
    def num_bytes(self) -> int:
        """What its weights take on the device."""
        return weight_bytes(*self.networks.values())

    def warnings(self, request: CompleteRequest) -> tuple[str, ...]:
        """What of a request this pipeline leaves out."""
        name = type(self._pipeline).__name__
        unused = [field for field in _wanted(request) if field not in self._arguments]
        return (
            *(f"{field} was not used: {name} has no such input." for field in unused),
            *self._scheduler_warning(request),
        )

    def generate(self, request: CompleteRequest, on_step: OnStep) -> Pixels | None:
        """The picture of the request's seed, or None where `on_step` stopped it.

        Units:  what `on_step` hears never exceeds the steps of the request; methods that call the network twice a step
                may repeat the last one.
        Raises: GenerationFailed, where the pipeline makes something else; and whatever the pipeline raises.
        """
        progress = _Progress(on_step, request.num_inference_steps)
        try:
            with _quiet(), _watched(self._pipeline, self._arguments, progress) as callbacks:
                output = self._pipeline(**self._inputs(request), **callbacks)
        except _Stopped:
            return None
        return _pixels(output)

    def _inputs(self, request: CompleteRequest) -> dict[str, Any]:
        wanted = {field: value for field, value in _wanted(request).items() if field in self._arguments}
        return wanted | {"generator": seeded_generator(request.seed), "output_type": "pil"}

    def _scheduler_warning(self, request: CompleteRequest) -> tuple[str, ...]:
        own = type(self._pipeline.components.get("scheduler")).__name__
        if request.scheduler in OWN_SCHEDULERS.get(own, ()):
            return ()
        name = type(self._pipeline).__name__
        return (f"scheduler was not used: {name} samples with its own {own}.",)


class _Stopped(Exception):
    """Leaves a pipeline in the middle of its loop."""


class _Progress:
    """Counts steps for whoever watches, and stops the pipeline when they have seen enough."""

    def __init__(self, on_step: OnStep, num_inference_steps: int) -> None:
        self._on_step = on_step
        self._num_inference_steps = num_inference_steps
        self._num_calls = 0

    def step_ended(self, pipeline: Any, index: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        """What pipelines call as `callback_on_step_end`; the tensors stay as they are."""
        del pipeline, timestep
        self._tell(index + 1)
        return tensors

    def called_back(self, index: int, timestep: Any, latents: Any) -> None:
        """What older pipelines call as `callback`."""
        del timestep, latents
        self._tell(index + 1)

    def network_called(self, network: Any, inputs: Any) -> None:
        """What comes before each call of the network: the step that the last call belonged to is done."""
        del network, inputs
        self.loop_ended()
        self._num_calls += 1

    def loop_ended(self) -> None:
        """Tells of the last call's step, if the network was called."""
        if self._num_calls:
            self._tell(self._num_calls)

    def _tell(self, step: int) -> None:
        if not self._on_step(min(step, self._num_inference_steps)):
            raise _Stopped


@contextmanager
def _watched(pipeline: Any, arguments: Collection[str], progress: _Progress) -> Iterator[Mapping[str, Any]]:
    """The callbacks to give to a pipeline; one that has none for its steps is watched at its network."""
    if "callback_on_step_end" in arguments:
        yield {"callback_on_step_end": progress.step_ended}
    elif "callback" in arguments:
        yield {"callback": progress.called_back}
    else:
        networks = [pipeline.components[name] for name in ("unet", "transformer") if name in pipeline.components]
        handles = [network.register_forward_pre_hook(progress.network_called) for network in networks]
        try:
            yield {}
            progress.loop_ended()
        finally:
            for handle in handles:
                handle.remove()


@contextmanager
def _quiet() -> Iterator[None]:
    """While a pipeline runs: diffusers logs what it cuts from prompts, and no log of ours has prompts."""
    logger = logging.getLogger("diffusers")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _wanted(request: CompleteRequest) -> dict[str, Any]:
    """What a request says of the picture; no negative prompt and no guidance are no wishes."""
    values = {field: getattr(request, field) for field in TAKEN}
    return {field: value for field, value in values.items() if (field, value) != ("negative_prompt", "")}


def _refuse_other_inputs(pipeline: Any) -> None:
    """Pipelines need what a request has, and a seed; those that change pictures need more. Raises: ModelUnavailable."""
    _, *parameters = inspect.signature(type(pipeline).__call__).parameters.values()
    variable = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    fixed = [parameter for parameter in parameters if parameter.kind not in variable]
    others = [parameter.name for parameter in fixed if parameter.default is parameter.empty]
    missing = [name for name in others if name not in TAKEN]
    if missing:
        raise ModelUnavailable(f"{type(pipeline).__name__} needs {', '.join(missing)}, which no request has.")
    if "generator" not in {parameter.name for parameter in fixed}:
        raise ModelUnavailable(f"{type(pipeline).__name__} takes no generator, so no seed could be kept.")


def _pixels(output: Any) -> Pixels:
    picture = output.images[0] if "images" in output else None
    if not isinstance(picture, Image.Image):
        raise GenerationFailed("The pipeline made something that is not a picture.")
    pixels: Pixels = np.asarray(picture.convert("RGB"))
    return pixels
