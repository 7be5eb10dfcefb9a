"""What Replicate's clients may ask of a model: our own fields, and other names of them where these mean the same.

What Replicate's models are often asked and none of ours can do is refused by name, unless it asks for what is done
anyway.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from contract.catalogue import ModelSpec
from contract.errors import InvalidRequest, SafelightError
from contract.guidance import GuidanceAsked
from contract.request import GenerationRequest, OutputFormat, Scheduler

ReplicateScheduler = Literal["DDIM", "DPMSolverMultistep", "HeunDiscrete", "KarrasDPM", "K_EULER", "K_EULER_ANCESTRAL"]

SCHEDULERS = MappingProxyType[Any, Scheduler](
    {
        "DDIM": "ddim",
        "DPMSolverMultistep": "dpmpp_2m",
        "HeunDiscrete": "heun",
        "KarrasDPM": "dpmpp_2m_karras",
        "K_EULER": "euler",
        "K_EULER_ANCESTRAL": "euler_ancestral",
    }
)
"""Source: the table of the same name in replicate/cog-sdxl, `predict.py`, and the classes of diffusers in it."""

OTHER_NAMES = MappingProxyType({"num_outputs": "num_images", "prompt_strength": "strength"})

REASONS = MappingProxyType(
    {
        "model": "the path or `version` names the model",
        "aspect_ratio": "say `height` and `width`",
        "megapixels": "say `height` and `width`",
        "lora_weights": "say `adapters`; weights are not fetched from elsewhere",
        "lora_scale": "say `adapters`",
        "replicate_weights": "say `adapters`; weights are not fetched from elsewhere",
    }
)


def _refuse(value: object, about: ValidationInfo) -> None:
    if value is not None:
        raise PydanticCustomError("refused", "Not offered: {why}", {"why": REASONS[str(about.field_name)]})


Refused = Annotated[None, BeforeValidator(_refuse)]


def refused(name: str) -> Any:
    """A field that is there to be refused by name."""
    return Field(default=None, description=f"Refused: {REASONS[name]}.", examples=[None])


def idle(what: str) -> Any:
    """A field that may only ask for what is done anyway."""
    return Field(default=None, description=f"{what}; any other value is refused.", examples=[None])


def _our_scheduler(name: object) -> object:
    return SCHEDULERS.get(name, name) if isinstance(name, str) else name


def _our_format(name: object) -> object:
    return "jpeg" if name == "jpg" else name


def _our_guidance(asked: object) -> object:
    if isinstance(asked, int | float):
        return {"kind": "classifier_free", "scale": asked}
    return asked


class PredictionInput(GenerationRequest):
    """What a prediction is made from: the fields of `POST /v1/generations`, and names that Replicate's models have."""

    model: Refused = refused("model")
    scheduler: Annotated[
        Scheduler | None,
        BeforeValidator(_our_scheduler, json_schema_input_type=Scheduler | ReplicateScheduler | None),
    ] = Field(
        default=None,
        description="Sampler and noise spacing, by our name or by that of Stable Diffusion XL on Replicate; null takes "
        "the model's default.",
        examples=["K_EULER"],
    )
    output_format: Annotated[
        OutputFormat, BeforeValidator(_our_format, json_schema_input_type=OutputFormat | Literal["jpg"])
    ] = Field(default="png", description="How the pictures are encoded; png keeps every pixel.", examples=["jpg"])
    guidance: Annotated[
        GuidanceAsked | None, BeforeValidator(_our_guidance, json_schema_input_type=GuidanceAsked | float | None)
    ] = Field(
        default=None,
        description="Ways of guiding, one or a list of them whose corrections add up; a number, as Flux has it on "
        "Replicate, is the weight of classifier-free guidance; null is `guidance_scale`'s.",
        examples=[3.5],
    )
    num_outputs: int | None = Field(
        default=None, ge=1, le=16, description="Another name of `num_images`.", examples=[1]
    )
    prompt_strength: float | None = Field(
        default=None, gt=0, le=1, description="Another name of `strength`.", examples=[0.8]
    )
    disable_safety_checker: Literal[True] | None = idle("May be true where nothing looks at the model's pictures")
    go_fast: Literal[False] | None = idle("May be false, as models run as they are")
    apply_watermark: Literal[False] | None = idle("May be false, as pictures have no watermark")
    refine: Literal["no_refiner"] | None = idle("May be `no_refiner`, as models have none")
    aspect_ratio: Refused = refused("aspect_ratio")
    megapixels: Refused = refused("megapixels")
    lora_weights: Refused = refused("lora_weights")
    lora_scale: Refused = refused("lora_scale")
    replicate_weights: Refused = refused("replicate_weights")

    def request_for(self, spec: ModelSpec) -> GenerationRequest:
        """The same as a request of ours.

        Raises: InvalidRequest, when a field is there under both of its names, or asks that nobody look at the picture.
        """
        if self.disable_safety_checker and spec.checker is not None:
            field = "input.disable_safety_checker"
            raise InvalidRequest(f"All pictures of {spec.id} are looked at, whoever asks for them.", field=field)
        said = {name: getattr(self, name) for name in self.model_fields_set & GenerationRequest.model_fields.keys()}
        for other, name in self._other_names.items():
            if name in said:
                raise InvalidRequest(f"{other} is another name of {name}; say one of them.", field=f"input.{other}")
            said[name] = getattr(self, other)
        return GenerationRequest.model_validate(said | {"model": spec.id})

    @contextmanager
    def blamed(self) -> Iterator[None]:
        """This names fields in errors as the client named them."""
        names = {name: other for other, name in self._other_names.items()}
        try:
            yield
        except SafelightError as error:
            if error.field is not None:
                first, *rest = error.field.split(".")
                error.field = ".".join(["input", names.get(first, first), *rest])
            raise

    @property
    def _other_names(self) -> dict[str, str]:
        return {other: name for other, name in OTHER_NAMES.items() if getattr(self, other) is not None}
