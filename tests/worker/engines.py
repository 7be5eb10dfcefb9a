"""Engines over tiny models, and what to ask of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contract.catalogue import Defaults, Family, Limits, ModelSpec
from contract.maps import MapSpec
from contract.request import CompleteRequest
from contract.rows import LocalSource
from worker.certificate import Certificate, Setting
from worker.devices import Placement
from worker.engine import Certify, Engine
from worker.events import Event, Finished
from worker.images import Pixels
from worker.lane import LaneKey, Measuring
from worker.lexicon import PLAIN, Lexicon
from worker.loading import load_pipeline
from worker.pipelines.whole import WholePipeline
from worker.residency import P
from worker.stepwise_pipeline import Conditioning, PromptEmbeds, StepwisePipeline
from worker.text import Reader
from worker.trained_noise import TrainedNoise

CPU = Placement(torch.device("cpu"), torch.float32)
"""float32 on every machine: the format in which diffusers' pipelines are equal to ours."""


class Wrapped:
    """A pipeline that is another one."""

    def __init__(self, inner: StepwisePipeline) -> None:
        self.inner = inner

    @property
    def trained_noise(self) -> TrainedNoise:
        return self.inner.trained_noise

    @property
    def network_dtype(self) -> torch.dtype:
        return self.inner.network_dtype

    @property
    def text_dtypes(self) -> tuple[torch.dtype, ...]:
        return self.inner.text_dtypes

    @property
    def vae_dtype(self) -> torch.dtype:
        return self.inner.vae_dtype

    @property
    def text_digest(self) -> str:
        return self.inner.text_digest

    @property
    def weights_digest(self) -> str:
        return self.inner.weights_digest

    @property
    def embeds_guidance(self) -> bool:
        return self.inner.embeds_guidance

    @property
    def map(self) -> MapSpec | None:
        return self.inner.map

    @property
    def num_latent_channels(self) -> int:
        return self.inner.num_latent_channels

    @property
    def num_extra_channels(self) -> int:
        return self.inner.num_extra_channels

    @property
    def num_bytes(self) -> int:
        return self.inner.num_bytes

    @property
    def vae_scale_factor(self) -> int:
        return self.inner.vae_scale_factor

    @property
    def readers(self) -> tuple[Reader, ...]:
        return self.inner.readers

    @property
    def network(self) -> Any:
        return self.inner.network

    @property
    def parts(self) -> Mapping[str, Any]:
        return self.inner.parts

    @property
    def is_compiled(self) -> bool:
        return self.inner.is_compiled

    def encode_prompt(self, prompt: str, *, negative: bool, lexicon: Lexicon = PLAIN) -> PromptEmbeds:
        return self.inner.encode_prompt(prompt, negative=negative, lexicon=lexicon)

    def prepare_latents(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        return self.inner.prepare_latents(height, width, generator)

    def denoise(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning) -> Tensor:
        return self.inner.denoise(latents, timesteps, conditioning)

    def encode_beside(self, picture: Tensor) -> Tensor:
        return self.inner.encode_beside(picture)

    def encode_picture(self, picture: Tensor, generator: torch.Generator | None) -> Tensor:
        return self.inner.encode_picture(picture, generator)

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


SETTING = Setting(
    device="cpu",
    dtype="float32",
    text_dtype="float32",
    vae_dtype="float32",
    layout="contiguous",
    num_threads=1,
    compiled=False,
    torch="2",
)


class Held:
    """Loaded models that nobody may evict, and how many users each has."""

    def __init__(self, pipelines: Mapping[str, StepwisePipeline | WholePipeline]) -> None:
        self.num_users = dict.fromkeys(pipelines, 0)
        self._pipelines = pipelines

    @property
    def resident(self) -> tuple[str, ...]:
        return tuple(self._pipelines)

    def acquire(self, model_id: str) -> StepwisePipeline | WholePipeline:
        self.num_users[model_id] += 1
        return self._pipelines[model_id]

    def acquire_part(self, part_id: str, load: Callable[[], P], expected_bytes: int, *, beside: Sequence[str]) -> P:
        part = load()
        self.num_users[part_id] = self.num_users.get(part_id, 0) + 1
        return part

    def release(self, model_id: str) -> None:
        self.num_users[model_id] -= 1


def sizes(*buckets: int) -> Certify:
    """A certificate for these forward sizes without any measurement; larger forwards are said to be worth it."""
    return timed({size: 0.001 * (1 + size / max(buckets)) for size in buckets})


def timed(seconds: Mapping[int, float]) -> Certify:
    """A certificate for these forward sizes, which are said to take so many seconds."""

    def certify(key: LaneKey, pipeline: StepwisePipeline) -> Measuring:
        yield Certificate(key.model, key.height, key.width, SETTING, tuple(seconds), tuple(seconds.values()))

    return certify


def engine_of(pipeline: StepwisePipeline, *buckets: int) -> Engine:
    """An engine with one model, whose forwards have these sizes, or else two rows."""
    return Engine(Held({"tiny": pipeline}), sizes(*buckets or (2,)))


def run(engine: Engine) -> list[Event]:
    events: list[Event] = []
    while engine.has_work:
        events += engine.step()
    return events


def pictures(events: Iterable[Event]) -> Mapping[str, Pixels]:
    return {event.generation_id: event.picture.pixels for event in events if isinstance(event, Finished)}


def alone(pipeline: StepwisePipeline, request: CompleteRequest, *buckets: int) -> Pixels:
    """The picture of a request that has the engine to itself."""
    engine = engine_of(pipeline, *buckets)
    engine.add("alone", request)
    return pictures(run(engine))["alone"]
