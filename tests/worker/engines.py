"""Engines over tiny models, and what to ask of them."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from contract.catalogue import Defaults, Family, Limits, LocalSource, ModelSpec
from contract.request import CompleteRequest
from worker.devices import Placement
from worker.engine import Engine, Event, Finished
from worker.images import Pixels
from worker.loading import load_pipeline
from worker.stepwise_pipeline import Conditioning, PromptEmbeds, StepwisePipeline
from worker.trained_noise import TrainedNoise

CPU = Placement(torch.device("cpu"), rows_per_forward=2, network_format=torch.float32)
"""float32 on every machine: the format in which diffusers' pipelines are equal to ours."""


class Wrapped:
    """A pipeline that is another one."""

    def __init__(self, inner: StepwisePipeline) -> None:
        self.inner = inner

    @property
    def trained_noise(self) -> TrainedNoise:
        return self.inner.trained_noise

    @property
    def embeds_guidance(self) -> bool:
        return self.inner.embeds_guidance

    @property
    def num_bytes(self) -> int:
        return self.inner.num_bytes

    def encode_prompt(self, prompt: str, *, negative: bool) -> PromptEmbeds:
        return self.inner.encode_prompt(prompt, negative=negative)

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        return self.inner.prepare_latents(height, width, generator)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.inner.denoise(latents, timesteps, conditioning)

    def decode_latents(self, latents: Tensor) -> Tensor:
        return self.inner.decode_latents(latents)


class RecordsLatents(Wrapped):
    """A pipeline that keeps what it decodes."""

    def __init__(self, inner: StepwisePipeline) -> None:
        super().__init__(inner)
        self.decoded: list[Tensor] = []

    def decode_latents(self, latents: Tensor) -> Tensor:
        self.decoded.append(latents)
        return self.inner.decode_latents(latents)


def spec_of(folder: Path, family: Family = "stable_diffusion") -> ModelSpec:
    return ModelSpec(
        id="tiny",
        family=family,
        source=LocalSource(path=folder),
        owned_by="tests",
        licence="none",
        created=0,
        defaults=Defaults(height=64, width=64, num_inference_steps=4, guidance_scale=4.0, scheduler="euler"),
        limits=Limits(
            size_multiple=8,
            min_size=8,
            max_size=512,
            max_num_inference_steps=1000,
            max_guidance_scale=30,
            max_cost=10**9,
        ),
    )


def cpu_pipeline(folder: Path, family: Family = "stable_diffusion") -> StepwisePipeline:
    return load_pipeline(spec_of(folder, family), CPU)


def asked(**changes: object) -> CompleteRequest:
    """A small complete request, with these changes."""
    usual: dict[str, object] = {
        "prompt": "a red apple",
        "model": "tiny",
        "height": 64,
        "width": 64,
        "num_inference_steps": 4,
        "guidance_scale": 4.0,
        "scheduler": "euler",
        "seed": 7,
    }
    return CompleteRequest.model_validate(usual | changes)


def engine_of(pipeline: StepwisePipeline, rows_per_forward: int = 2) -> Engine:
    return Engine({"tiny": pipeline}.__getitem__, rows_per_forward=rows_per_forward)


def run(engine: Engine) -> list[Event]:
    events: list[Event] = []
    while engine.has_work:
        events += engine.step()
    return events


def pictures(events: Iterable[Event]) -> Mapping[str, Pixels]:
    return {event.generation_id: event.pixels for event in events if isinstance(event, Finished)}


def alone(pipeline: StepwisePipeline, request: CompleteRequest, rows_per_forward: int = 2) -> Pixels:
    """The picture of a request that has the engine to itself."""
    engine = engine_of(pipeline, rows_per_forward)
    engine.add("alone", request)
    return pictures(run(engine))["alone"]
