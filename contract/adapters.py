"""What a request may add to a model for itself alone: adapters, control, and a picture as a prompt."""

from collections.abc import Iterator
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from contract.inputs import ImageReference, WeightsReference

AdapterKind = Literal["lora", "textual_inversion", "controlnet", "ip_adapter"]

WEIGHTS: tuple[AdapterKind, ...] = ("lora", "textual_inversion")
"""What `adapters` may name; the others need a picture beside them."""

MAX_ADAPTERS = 8
MAX_CONTROLS = 4
MAX_SCALE = 8.0

CatalogueId = Annotated[str, StringConstraints(min_length=1, max_length=128)]

ID = "An id from `GET /v1/adapters`"
SCALE = "How much it counts: 1 as it was trained, 0 not at all"


def _named(text: str) -> str:
    """What begins as the ids of files do is one, or is nothing; the catalogue has no such ids."""
    return WeightsReference.judged(text) if text.startswith("file_") else text


def _rising(interval: tuple[float, float]) -> tuple[float, float]:
    if not 0 <= interval[0] < interval[1] <= 1:
        raise PydanticCustomError("interval", "An interval is two numbers from 0 to 1, the smaller one first")
    return interval


class _Part(BaseModel):
    """What all of them have: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class AdapterUse(_Part):
    """Weights beside the model's own (LoRA), or words that its text encoder is taught (textual inversion)."""

    id: Annotated[CatalogueId, AfterValidator(_named)] = Field(
        description=f"{ID}, of kind `lora` or `textual_inversion`, or the id of an uploaded file or of a fine-tune.",
        examples=["gilded", "file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    scale: float = Field(
        default=1.0,
        ge=-MAX_SCALE,
        le=MAX_SCALE,
        description=f"{SCALE}, below 0 the other way; for a word, what it counts beyond what the prompt says.",
        examples=[0.8],
    )


class ControlUse(_Part):
    """A second network that holds the picture to what another picture shows, such as its edges or its depth."""

    id: CatalogueId = Field(description=f"{ID}, of kind `controlnet`.", examples=["edges"])
    image: ImageReference = Field(
        description="What to keep to, as the network was trained to see it; it is scaled to the picture's size.",
        examples=["file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    scale: float = Field(default=1.0, ge=0, le=MAX_SCALE, description=f"{SCALE}.", examples=[1.0])
    interval: Annotated[tuple[float, float], AfterValidator(_rising)] = Field(
        default=(0.0, 1.0),
        strict=False,
        description="The part of the steps in which it counts: from the first number to the second, 0 to 1.",
        examples=[[0.0, 0.6]],
    )

    def counts_in(self, step: int, num_steps: int) -> bool:
        """Whether it counts in this step, from 0. Source: must equal what diffusers' ControlNet pipelines keep."""
        start, end = self.interval
        return step / num_steps >= start and (step + 1) / num_steps <= end


class ImagePrompt(_Part):
    """A picture that the model is prompted with beside the words (IP-Adapter)."""

    id: CatalogueId = Field(description=f"{ID}, of kind `ip_adapter`.", examples=["by-example"])
    image: ImageReference = Field(
        description="What the picture is to be like.", examples=["file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"]
    )
    scale: float = Field(default=1.0, ge=0, le=MAX_SCALE, description=f"{SCALE}.", examples=[0.6])


class Named(NamedTuple):
    """An id in a request: the field that it stands in, and the kinds that may stand there."""

    field: str
    id: str
    kinds: tuple[AdapterKind, ...]

    @property
    def is_file(self) -> bool:
        """Whether it names a file rather than a row of the catalogue."""
        return isinstance(self.id, WeightsReference)


def named(
    adapters: tuple[AdapterUse, ...], control: tuple[ControlUse, ...], image_prompt: ImagePrompt | None
) -> Iterator[Named]:
    """Every id of a request."""
    yield from (Named(f"adapters.{place}.id", use.id, WEIGHTS) for place, use in enumerate(adapters))
    yield from (Named(f"control.{place}.id", use.id, ("controlnet",)) for place, use in enumerate(control))
    if image_prompt is not None:
        yield Named("image_prompt.id", image_prompt.id, ("ip_adapter",))
