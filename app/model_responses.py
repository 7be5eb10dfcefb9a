"""The shapes in which models are shown to clients."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from app.links import Links
from app.model_versions import Published, published
from contract.catalogue import ModelSpec
from contract.certificates import ModelCertificate
from contract.guidance import GuidanceKind
from contract.guidance_limits import guidance_kinds
from contract.intervention_limits import intervention_kinds
from contract.interventions import InterventionKind
from contract.maps import MapSpec
from contract.request import Scheduler
from contract.traces import MAX_TRACED_PIXELS, MAX_TRACED_STEPS, TraceKind, trace_kinds


class DefaultsShown(BaseModel):
    """What a request that leaves these open gets."""

    height: int = Field(description="Pixels.", examples=[128])
    width: int = Field(description="Pixels.", examples=[128])
    num_inference_steps: int = Field(description="Denoising steps.", examples=[20])
    guidance_scale: float = Field(description="Weight of classifier-free guidance.", examples=[4.0])
    scheduler: Scheduler = Field(description="Sampler and noise spacing.", examples=["ddim"])


class LimitsShown(BaseModel):
    """What a request may ask for."""

    size_multiple: int = Field(description="Height and width are multiples of this.", examples=[32])
    min_size: int = Field(description="The least height and width, in pixels.", examples=[64])
    max_size: int = Field(description="The greatest height and width, in pixels.", examples=[256])
    max_num_inference_steps: int = Field(description="The most denoising steps.", examples=[150])
    max_guidance_scale: float = Field(description="The greatest guidance scale.", examples=[30.0])
    max_cost: int = Field(description="The most pixels × steps × images of one job.", examples=[26214400])
    max_traced_steps: int = Field(
        default=MAX_TRACED_STEPS, description="The most denoising steps of a run with a `trace`.", examples=[50]
    )
    max_traced_pixels: int = Field(
        default=MAX_TRACED_PIXELS, description="The most pixels of a run with a `trace`.", examples=[262144]
    )


class Offered(BaseModel):
    """What is said of everything in the catalogue."""

    created: int = Field(description="When it was made, in Unix seconds.", examples=[1795478400])
    owned_by: str = Field(description="Who made it.", examples=["safelight"])
    licence: str = Field(description="The terms of its weights.", examples=["MIT"])


class ModelShown(Offered):
    """One model on offer."""

    id: str = Field(description="The name to ask for it.", examples=["safelight-emoji"])
    object: Literal["model"] = Field(default="model", description="What this is.", examples=["model"])
    family: str = Field(description="Its kind of pipeline.", examples=["stable_diffusion"])
    defaults: DefaultsShown = Field(
        description="What it takes where a request leaves something open.",
        examples=[{"height": 128, "width": 128, "num_inference_steps": 20, "guidance_scale": 2.5, "scheduler": "ddim"}],
    )
    limits: LimitsShown = Field(
        description="What a request may ask of it.",
        examples=[
            {
                "size_multiple": 32,
                "min_size": 64,
                "max_size": 256,
                "max_num_inference_steps": 150,
                "max_guidance_scale": 30.0,
                "max_cost": 26214400,
                "max_traced_steps": 50,
                "max_traced_pixels": 262144,
            }
        ],
    )
    schedulers: list[Scheduler] = Field(description="The schedulers that it offers.", examples=[["euler", "ddim"]])
    guidance_kinds: list[GuidanceKind] = Field(
        description="The kinds of `guidance` that models of its family can be steered by.",
        examples=[["classifier_free", "cfg_pp"]],
    )
    intervention_kinds: list[InterventionKind] = Field(
        description="The kinds of `intervene` that models of its family can be changed by on the way.",
        examples=[["set_guidance", "swap_prompt"]],
    )
    trace_kinds: list[TraceKind] = Field(
        description="What of `trace` its runs can record.",
        examples=[["attention", "latents", "guidance", "text", "autoencoder"]],
    )

    map: MapSpec | None = Field(
        default=None,
        description="What it makes of pictures, for `POST /v1/dense-predictions`; null makes pictures.",
        examples=[None],
    )

    @classmethod
    def of(cls, spec: ModelSpec) -> "ModelShown":
        """A row of the catalogue, without where its files are."""
        shown = spec.model_dump(exclude={"source", "text_encoder", "unet"})
        kinds = {
            "guidance_kinds": guidance_kinds(spec.family),
            "intervention_kinds": intervention_kinds(spec.family),
            "trace_kinds": trace_kinds(spec.family),
        }
        return cls.model_validate(shown | kinds)


class ModelDetail(ModelShown, Published):
    """One model on offer, what Replicate's clients want to know of it, and what the living workers say of it."""

    resident_workers: int = Field(description="How many workers have it in memory.", examples=[1])
    certificates: list[ModelCertificate] = Field(
        description="What workers have proven of it: how far a picture is independent of its company, and where.",
        examples=[[]],
    )


class ModelList(BaseModel):
    """All models on offer, for OpenAI's clients and ours, and again for Replicate's."""

    object: Literal["list"] = Field(default="list", description="What this is.", examples=["list"])
    data: list[ModelShown] = Field(description="The models, the catalogue's first one first.", examples=[[]])
    results: list[Published] = Field(description="The same models, as Replicate's clients know them.", examples=[[]])
    next: None = Field(default=None, description="Always null: all models are here.", examples=[None])
    previous: None = Field(default=None, description="Always null.", examples=[None])

    @classmethod
    def of(cls, specs: Sequence[ModelSpec], links: Links) -> "ModelList":
        """Rows of the catalogue."""
        return cls(
            data=[ModelShown.of(spec) for spec in specs], results=[published(spec, links.base) for spec in specs]
        )
