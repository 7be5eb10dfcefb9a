"""What the service has on offer, as types: models, adapters, classifiers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from safelight.fields import GuidanceKind, InterventionKind, Scheduler, TraceKind

AdapterKind = Literal["lora", "textual_inversion", "controlnet", "ip_adapter"]
ClassifierKind = Literal["latents", "pixels"]
PartName = Literal["text_encoder", "text_encoder_2", "text_encoder_3", "denoiser", "autoencoder", "other"]
Reproducibility = Literal["exact", "tolerance"]
Task = Literal["depth", "normals", "edges", "segmentation"]
Beginning = Literal["zeros", "noise"]


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a request that leaves these open gets."""

    height: int
    width: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: Scheduler


@dataclass(frozen=True, slots=True)
class Limits:
    """What a request may ask of a model."""

    size_multiple: int
    min_size: int
    max_size: int
    max_num_inference_steps: int
    max_guidance_scale: float
    max_cost: int
    max_traced_steps: int
    max_traced_pixels: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one worker has measured of one model at one size."""

    model: str
    height: int
    width: int
    device: str
    dtype: str
    text_dtype: str
    vae_dtype: str
    num_threads: int
    layout: str
    compiled: bool
    torch: str
    buckets: tuple[int, ...]
    row_cap: int
    reproducibility: Reproducibility
    tolerance: float | None
    weights_sha256: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What is said of everything on offer. `created` is in Unix seconds."""

    id: str
    created: int
    owned_by: str
    licence: str


@dataclass(frozen=True, slots=True)
class Map:
    """What a model makes of pictures, and from which latents."""

    task: Task
    begins_at: Beginning


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Offered):
    """One model on offer."""

    object: Literal["model"]
    family: str
    defaults: Defaults
    limits: Limits
    schedulers: tuple[Scheduler, ...]
    guidance_kinds: tuple[GuidanceKind, ...]
    intervention_kinds: tuple[InterventionKind, ...]
    trace_kinds: tuple[TraceKind, ...]
    map: Map | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetail(Model):
    """One model on offer, and what the workers that are alive say of it."""

    resident_workers: int
    certificates: tuple[Certificate, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """A module of a network, and those within it. `flops` and `output_shape` are None where it was not run."""

    name: str
    kind: str
    num_parameters: int
    flops: int | None
    output_shape: tuple[int, ...] | None
    can_skip: bool
    blocks: tuple["Block", ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One network of a model. Shapes are without the batch's own dimension."""

    name: PartName
    class_name: str
    num_parameters: int
    flops: int | None
    input: Mapping[str, tuple[int, ...]]
    output: tuple[int, ...] | None
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model's networks, measured at its default size."""

    model: str
    family: str
    height: int
    width: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapter(Offered):
    """One adapter on offer."""

    object: Literal["adapter"]
    kind: AdapterKind
    models: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Classifier(Offered):
    """One classifier on offer."""

    object: Literal["classifier"]
    kind: ClassifierKind
    models: tuple[str, ...]
    labels: tuple[str, ...]
