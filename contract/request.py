"""What a client may ask for: GenerationRequest, and the closed sets of names in it."""

from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from contract.adapters import MAX_ADAPTERS, MAX_CONTROLS, AdapterUse, ControlUse, ImagePrompt
from contract.editing import Edit
from contract.errors import InvalidRequest
from contract.guidance import Guidance, GuidanceAsked, Several, listed
from contract.inputs import Reference, find_references
from contract.interventions import MAX_INTERVENTIONS, Intervention, Moment, in_force
from contract.prompt_syntax import PromptSyntax

MAX_SEED = 2**53 - 1
"""The largest integer that JavaScript keeps exactly."""

Scheduler = Literal[
    "euler",
    "euler_karras",
    "euler_trailing",
    "euler_ancestral",
    "euler_ancestral_trailing",
    "ddim",
    "ddim_trailing",
    "heun",
    "heun_karras",
    "heun_trailing",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "dpmpp_2m_trailing",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_karras",
    "dpmpp_2m_sde_trailing",
    "unipc",
    "unipc_karras",
    "unipc_trailing",
    "lcm",
    "tcd",
    "flow_match_euler",
    "flow_match_euler_trailing",
]
"""A sampler and, after it, the spacing of its noise levels; without one, the spacing of the model's own scheduler."""

OutputFormat = Literal["png", "jpeg", "webp"]

DEFAULT_OUTPUT_QUALITY = 92
"""Pillow's scale for JPEG and WebP: at 92, what is lost of a drawing is hard to see."""

SCHEDULERS: tuple[Scheduler, ...] = get_args(Scheduler)

MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512)]


class GenerationRequest(Edit):
    """What a client posts; everything but the prompt has a default in the model's row of the catalogue."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    prompt: str = Field(
        default="",
        max_length=2000,
        description="What the picture shows; may be empty where something else says it, such as a classifier or image.",
        examples=["a red apple"],
    )
    negative_prompt: str = Field(
        default="", max_length=2000, description="What the picture must not show.", examples=["a leaf"]
    )
    prompt_syntax: PromptSyntax = Field(
        default="plain",
        description="How both prompts are read. `plain`: as they stand, and cut where the text encoder's limit is. "
        "`weighted`: `(word)` counts 1.1 times as much, `[word]` 1.1 times less, `(word:1.3)` 1.3 times; brackets "
        "nest, a backslash before one makes it text, and what is longer than the text encoder reads, or stands behind "
        "`BREAK`, is read in chunks.",
        examples=["plain"],
    )
    model: str | None = Field(
        default=None, description="An id from `GET /v1/models`; null takes the default model.", examples=[None]
    )
    num_images: int = Field(
        default=1, ge=1, le=16, description="How many pictures; each has a seed of its own.", examples=[1]
    )
    height: int | None = Field(
        default=None, ge=1, description="Pixels; null takes the model's default.", examples=[128]
    )
    width: int | None = Field(default=None, ge=1, description="Pixels; null takes the model's default.", examples=[128])
    num_inference_steps: int | None = Field(
        default=None, ge=1, description="Denoising steps; null takes the model's default.", examples=[20]
    )
    guidance_scale: float | None = Field(
        default=None,
        ge=0,
        description="Weight of classifier-free guidance, 1 = off; null takes the model's default. Short for a "
        "`guidance` of that kind alone.",
        examples=[4.0],
    )
    guidance: GuidanceAsked | None = Field(
        default=None,
        description="Ways of guiding, one or a list of them whose corrections add up; null is `guidance_scale`'s.",
        examples=[None],
    )
    scheduler: Scheduler | None = Field(
        default=None, description="Sampler and noise spacing; null takes the model's default.", examples=["euler"]
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Where the noise comes from; null draws one, and the job says which.",
        examples=[7],
    )
    output_format: OutputFormat = Field(
        default="png", description="How the pictures are encoded; png keeps every pixel.", examples=["png"]
    )
    output_quality: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="How closely jpeg and webp keep to the pixels: 0 makes the smallest files, 100 the best. Null "
        f"takes {DEFAULT_OUTPUT_QUALITY}; png takes none.",
        examples=[None],
    )
    adapters: tuple[AdapterUse, ...] = Field(
        default=(),
        strict=False,
        max_length=MAX_ADAPTERS,
        description="What is added to the model for this request alone; several add up.",
        examples=[[{"id": "gilded", "scale": 0.8}]],
    )
    control: tuple[ControlUse, ...] = Field(
        default=(),
        strict=False,
        max_length=MAX_CONTROLS,
        description="Pictures to keep to; several add up.",
        examples=[[{"id": "edges", "image": "file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"}]],
    )
    image_prompt: ImagePrompt | None = Field(
        default=None,
        description="A picture to be prompted with beside the words.",
        examples=[{"id": "by-example", "image": "file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"}],
    )
    intervene: tuple[Intervention, ...] = Field(
        default=(),
        strict=False,
        max_length=MAX_INTERVENTIONS,
        description="What is changed in some of the steps; where two say the same thing, the later one holds.",
        examples=[[{"kind": "mute_token", "token": 2, "step_from": 0, "step_to": 10}]],
    )
    metadata: dict[MetadataKey, MetadataValue] = Field(
        default_factory=dict,
        max_length=16,
        description="Strings of your own, which come back with the job.",
        examples=[{"order": "42"}],
    )

    @property
    def guidance_listed(self) -> tuple[Guidance, ...] | None:
        """The ways of guiding, as a list."""
        return listed(self.guidance)

    def within_guidance(self, index: int) -> str:
        """What stands before the names of the fields of one way of guiding."""
        return f"guidance.{index}." if isinstance(self.guidance, tuple) else "guidance."

    def effective_output_quality(self) -> int | None:
        """How closely the files keep to the pixels; None where they keep them all. Raises: InvalidRequest."""
        if self.output_format != "png":
            return DEFAULT_OUTPUT_QUALITY if self.output_quality is None else self.output_quality
        if self.output_quality is not None:
            raise InvalidRequest("output_quality is for jpeg and webp; png keeps every pixel.", field="output_quality")
        return None

    def references(self) -> dict[str, Reference]:
        """The files that the request names, by the dotted path of the field."""
        return dict(find_references(self))


class CompleteRequest(GenerationRequest):
    """A request with nothing left open: posted again, it makes the same pictures.

    `guidance` is always there; `guidance_scale` says the same where it can, and is null where it cannot.
    """

    model: str
    height: int
    width: int
    num_inference_steps: int
    guidance_scale: float | None = None
    guidance: Several
    scheduler: Scheduler
    seed: int

    @model_validator(mode="before")
    @classmethod
    def _say_guidance_in_both_forms(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("guidance") is None and values.get("guidance_scale") is not None:
            return values | {"guidance": [{"kind": "classifier_free", "scale": values["guidance_scale"]}]}
        return values

    def seed_of(self, index: int) -> int:
        """The seed of image `index`: consecutive from `seed`, so that the first image is the request's own."""
        return (self.seed + index) % (MAX_SEED + 1)

    def of_image(self, index: int) -> "CompleteRequest":
        """The request that makes image `index` alone."""
        return self.model_copy(update={"seed": self.seed_of(index), "num_images": 1})

    @property
    def moments(self) -> tuple[Moment, ...]:
        """What holds in each step of one image."""
        usual = Moment(self.prompt, self.negative_prompt)
        if not self.intervene:
            return (usual,) * self.num_steps
        return tuple(in_force(usual, self.intervene, step) for step in range(self.num_steps))

    @property
    def again(self) -> GenerationRequest:
        """The request that becomes this one."""
        return GenerationRequest.model_validate_json(self.model_dump_json(exclude_none=True))

    @property
    def total_steps(self) -> int:
        """Denoising steps over all images."""
        return self.num_steps * self.num_images

    @property
    def num_steps(self) -> int:
        """Denoising steps of one image: those that its strength leaves."""
        return self.steps_of(self.num_inference_steps)
