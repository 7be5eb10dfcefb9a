"""What OpenAI's clients send: every parameter that is honoured, and those that are known and refused."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from contract.request import MAX_SEED

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
Background = Literal["auto", "opaque", "transparent"]

SIZE = re.compile(r"(?:auto|([1-9][0-9]{0,4})x([1-9][0-9]{0,4}))")


def _size(text: str) -> str:
    if not SIZE.fullmatch(text):
        raise PydanticCustomError("size_form", "This is neither WIDTHxHEIGHT in pixels, as in 128x128, nor auto")
    return text


SizeText = Annotated[str, AfterValidator(_size), WithJsonSchema({"type": "string", "pattern": f"^{SIZE.pattern}$"})]


WORDS: Final[Mapping[object, bool]] = MappingProxyType({"true": True, "false": False, "True": True, "False": False})


def _flag(said: object, of: ValidationInfo) -> object:
    if str(of.mode) != "string":
        return said
    if said not in WORDS:
        raise PydanticCustomError("flag_form", "This is neither true nor false")
    return WORDS[said]


Flag = Annotated[bool, BeforeValidator(_flag)]
"""Yes or no; in a form, one of two words, of the many that are taken for them elsewhere."""

Refused = Annotated[object, WithJsonSchema({"type": "null"})]
"""A parameter that is known, and taken only where it says nothing."""

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "style": "models here have no styles; say it in `prompt`",
        "input_fidelity": "models here have no such setting; what `mask` does not select is kept to the bit",
        "complexity": "models here plan nothing ahead; see `quality` and `num_inference_steps`",
        "frame_count": "pictures here do not move",
        "frame_duration_ms": "pictures here do not move",
        "svg": "pictures here are pixels",
        "true_cfg_scale": "`guidance_scale` is the weight of classifier-free guidance",
        "lora": "this dialect takes no adapters; `POST /v1/generations` does, as `adapters`",
    }
)
"""Why a parameter is not offered."""


def _refused(name: str) -> str:
    return f"Refused: {REFUSED[name]}."


class Asked(BaseModel):
    """What all operations take."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    model: str | None = Field(
        default=None,
        description="An id from `GET /v1/models`; the default model where it is left out.",
        examples=["safelight-emoji"],
    )
    n: int | None = Field(default=None, ge=1, le=10, description="How many pictures; 1 by default.", examples=[1])
    size: SizeText | None = Field(
        default=None,
        description="Width × height in pixels, exactly, as `128x128`. `auto`, the default, is the size that the model "
        "draws best; for a picture that is sent, its own, or the nearest that the model can draw. A picture of other "
        "proportions is cropped.",
        examples=["128x128"],
    )
    response_format: Literal["b64_json", "url"] | None = Field(
        default=None,
        description="Whether pictures come along, the default, or as addresses.",
        examples=["b64_json"],
    )
    user: str | None = Field(
        default=None,
        max_length=512,
        description="Who asks, in your own words; comes back as `metadata.user` of the job.",
        examples=["user-1234"],
    )
    num_inference_steps: int | None = Field(
        default=None, ge=1, description="Not OpenAI's: denoising steps.", examples=[20]
    )
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="Not OpenAI's: where the noise of the first picture comes from; those after it count on.",
        examples=[7],
    )

    @property
    def metadata(self) -> dict[str, str]:
        """What travels with the job."""
        return {} if self.user is None else {"user": self.user}


class Drawing(Asked):
    """What operations with a prompt take."""

    prompt: str = Field(max_length=2000, description="What the picture shows.", examples=["a red apple"])
    quality: Quality | None = Field(
        default=None,
        description="How many denoising steps are made, of those that are the model's default: `low` half, `medium` "
        "as many, `high` twice, `xhigh` three times, `max` four times as many, never more than the model's limit. "
        "`auto` and `standard` are `medium`, `hd` is `high`.",
        examples=["auto"],
    )
    output_format: Literal["png", "jpeg", "webp"] | None = Field(
        default=None, description="How pictures are encoded; png by default.", examples=["png"]
    )
    output_compression: int | None = Field(
        default=None,
        ge=0,
        le=100,
        description="The quality of jpeg and webp, 0 the smallest file, 100 the best picture; 92 by default. Refused "
        "for png.",
        examples=[None],
    )
    background: Background | None = Field(
        default=None,
        description="`auto` and `opaque` are what is drawn; `transparent` is refused.",
        examples=["auto"],
    )
    stream: Flag | None = Field(
        default=None, description="Whether to answer with a stream of events.", examples=[False]
    )
    partial_images: int | None = Field(
        default=None,
        ge=0,
        le=3,
        description="With `stream`: how many estimates of unfinished pictures to send at most.",
        examples=[None],
    )
    safety_identifier: str | None = Field(
        default=None,
        max_length=512,
        description="Who asks; comes back as `metadata.safety_identifier` of the job.",
        examples=["user-1234"],
    )
    negative_prompt: str | None = Field(
        default=None, max_length=2000, description="Not OpenAI's: what the picture must not show.", examples=["a leaf"]
    )
    guidance_scale: float | None = Field(
        default=None, ge=0, description="Not OpenAI's: the weight of classifier-free guidance.", examples=[2.5]
    )
    complexity: Refused = Field(default=None, description=_refused("complexity"), examples=[None])
    frame_count: Refused = Field(default=None, description=_refused("frame_count"), examples=[None])
    frame_duration_ms: Refused = Field(default=None, description=_refused("frame_duration_ms"), examples=[None])
    svg: Refused = Field(default=None, description=_refused("svg"), examples=[None])
    true_cfg_scale: Refused = Field(default=None, description=_refused("true_cfg_scale"), examples=[None])
    lora: Refused = Field(default=None, description=_refused("lora"), examples=[None])

    @property
    def metadata(self) -> dict[str, str]:
        """What travels with the job."""
        said = self.safety_identifier
        return super().metadata | ({} if said is None else {"safety_identifier": said})


class ImageGeneration(Drawing):
    """A request for pictures from a prompt, as OpenAI's clients make it."""

    moderation: Literal["auto", "low"] | None = Field(
        default=None,
        description="Nothing is filtered here, which both of its values allow.",
        examples=["auto"],
    )
    style: Refused = Field(default=None, description=_refused("style"), examples=[None])


class ImageEdit(Drawing):
    """The texts of a request to change a picture."""

    input_fidelity: Refused = Field(default=None, description=_refused("input_fidelity"), examples=[None])


class ImageVariation(Asked):
    """The texts of a request for pictures like one that is sent."""
