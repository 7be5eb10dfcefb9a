"""How a request says that a picture is to be changed: its fields, which of them go together, and what sizes follow."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from contract.errors import InvalidRequest
from contract.inputs import ImageReference

InpaintMethod = Literal["fast", "standard", "quality"]
MaskMode = Literal["blend", "strength"]
Resize = Literal["stretch", "crop", "pad", "latents"]

RESAMPLINGS = 5
"""How often `standard` makes each step. Source: the r of Lugmayr et al. 2022, arXiv:2201.09865, section 4.2."""

DEFAULT_STRENGTH = 0.75
REFINING_STRENGTH = 0.2
"""How far a picture that is enlarged leaves its plain enlargement."""

REMOVAL_STRENGTH = 0.3
"""How far what is removed leaves the smooth fill that takes its place."""

LEAST_VARIATION, MOST_VARIATION = 0.2, 0.8
"""The strengths of a variation of 0 and of 1."""

LARGEST_MARGIN = 8192


class Size(NamedTuple):
    """Pixels, always in this order."""

    height: int
    width: int

    def less(self, margins: "Size") -> "Size":
        """What is left without these margins."""
        return Size(self.height - margins.height, self.width - margins.width)

    def plus(self, margins: "Size") -> "Size":
        """With these margins."""
        return Size(self.height + margins.height, self.width + margins.width)

    def times(self, factor: int) -> "Size":
        """So many times as large."""
        return Size(self.height * factor, self.width * factor)

    def __str__(self) -> str:
        return f"{self.height} × {self.width}"


class Expand(BaseModel):
    """How far the canvas goes beyond the picture on each side. Units: pixels."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    left: int = Field(default=0, ge=0, le=LARGEST_MARGIN, description="Pixels.", examples=[0])
    top: int = Field(default=0, ge=0, le=LARGEST_MARGIN, description="Pixels.", examples=[0])
    right: int = Field(default=0, ge=0, le=LARGEST_MARGIN, description="Pixels.", examples=[64])
    bottom: int = Field(default=0, ge=0, le=LARGEST_MARGIN, description="Pixels.", examples=[0])

    @property
    def margins(self) -> Size:
        """What is added to height and width."""
        return Size(self.top + self.bottom, self.left + self.right)


class Edit(BaseModel):
    """The fields that change a picture; all of them need `image`."""

    image: ImageReference | None = Field(
        default=None,
        description="The picture to begin with: the id of a file or of an artifact, or a `data:` URI; the job then "
        "names the file that it was stored as.",
        examples=[None, "file_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"],
    )
    mask: ImageReference | None = Field(
        default=None,
        description="Where `image` is repainted: white is repainted, black is kept, as is what is transparent.",
        examples=[None, "file_9d1e0a7b6c5f4e3d2c1b0a9f8e7d6c5b"],
    )
    strength: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="How far the result may leave `image`: so much of the steps is made. Null takes 1 where there is a "
        f"mask or the canvas is expanded, {REMOVAL_STRENGTH} to remove, {REFINING_STRENGTH} to enlarge, else "
        f"{DEFAULT_STRENGTH}.",
        examples=[0.75],
    )
    mask_mode: MaskMode | None = Field(
        default=None,
        description="What grey means in `mask`: `blend` mixes the repainted pixels with the old ones by so much, "
        "`strength` has each place change as much as its grey says. Null takes `blend`.",
        examples=["blend"],
    )
    inpaint_method: InpaintMethod | None = Field(
        default=None,
        description="How what is repainted is made to fit what stays: `fast` puts old latents back after each step, "
        f"`standard` also makes each step {RESAMPLINGS} times, `quality` follows the gradient of the misfit instead. "
        "Null takes `fast` to remove or where the scheduler cannot repeat a step, else `standard`.",
        examples=["standard"],
    )
    mask_padding: int | None = Field(
        default=None,
        ge=0,
        le=LARGEST_MARGIN,
        description="Paint `mask` and at least so many pixels around it only, in the size of `height` and `width`, and "
        "put that back into `image`, whose size the result has. Null paints the whole picture.",
        examples=[32],
    )
    expand: Expand | None = Field(
        default=None,
        description="Paint beyond the sides of `image`, by so many pixels.",
        examples=[{"right": 64}],
    )
    remove: bool = Field(
        default=False,
        description="Fill `mask` with what is around it instead of with what a prompt says.",
        examples=[False],
    )
    variation: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Make another picture like `image`: 0 is very close to it, 1 very far.",
        examples=[0.5],
    )
    upscale: Literal[2, 4] | None = Field(
        default=None, description="Enlarge `image` by so much, and draw its details anew.", examples=[2]
    )
    resize: Resize | None = Field(
        default=None,
        description="How to bring `image` to `height` and `width`, or to the nearest size that the model takes: "
        "`stretch` it, `crop` what is over, `pad` what is missing with the colours of its edges, or stretch its "
        "`latents`. Null refuses a picture of another size.",
        examples=["crop"],
    )
    image_guidance_scale: float | None = Field(
        default=None,
        ge=1,
        le=30,
        description="For models that follow instructions: how closely the result keeps to `image`. Null takes 1.5.",
        examples=[1.5],
    )

    @property
    def given(self) -> frozenset[str]:
        """The fields that are there."""
        values = ((name, getattr(self, name)) for name in Edit.model_fields)
        return frozenset(name for name, value in values if value is not None and value is not False)

    @property
    def is_inpainting(self) -> bool:
        """Whether a part of the picture stays as it is."""
        return self.mask is not None or self.expand is not None

    @property
    def effective_strength(self) -> float:
        """How much of the steps is made, 1 where no picture is there."""
        if self.image is None or self.image_guidance_scale is not None:
            return 1.0
        if self.variation is not None:
            return LEAST_VARIATION + self.variation * (MOST_VARIATION - LEAST_VARIATION)
        if self.strength is not None:
            return self.strength
        if self.remove:
            return REMOVAL_STRENGTH
        if self.is_inpainting:
            return 1.0
        return DEFAULT_STRENGTH if self.upscale is None else REFINING_STRENGTH

    def steps_of(self, num_inference_steps: int) -> int:
        """How many of so many steps are made, at least one. Source: as `get_timesteps` of diffusers' pipelines."""
        return max(1, int(num_inference_steps * self.effective_strength))

    @property
    def num_resamplings(self) -> int:
        """How often each step is made."""
        return RESAMPLINGS if self.inpaint_method == "standard" else 1

    @property
    def num_edit_rows(self) -> int:
        """Rows of each call that are there for the edit alone."""
        return 1 if (self.image_guidance_scale or 1.0) > 1 else 0

    @property
    def num_edit_gradients(self) -> int:
        """Ways back through the network of each call that are there for the edit alone."""
        return 1 if self.inpaint_method == "quality" else 0

    def check_edit(self) -> None:
        """Holds the fields against each other. Raises: InvalidRequest, naming a field."""
        given = self.given
        for field in sorted(given - {"image"}):
            needed = NEEDS.get(field, ("image",))
            if given.isdisjoint(needed):
                raise InvalidRequest(f"{field} needs {' or '.join(needed)}.", field=field)
            for other in EXCLUDES.get(field, ()):
                if other in given:
                    raise InvalidRequest(f"{field} and {other} cannot be combined.", field=field)
        if self.mask_mode == "strength" and self.inpaint_method not in (None, "fast"):
            raise InvalidRequest(
                "With mask_mode strength, every place changes at a time of its own; inpaint_method can only be fast.",
                field="inpaint_method",
            )
        if self.mask_mode == "strength" and self.mask_padding is not None:
            raise InvalidRequest("mask_padding and mask_mode strength cannot be combined.", field="mask_padding")
        if self.resize == "latents" and (self.is_inpainting or self.image_guidance_scale is not None):
            raise InvalidRequest("Latents are stretched of whole pictures that are painted over.", field="resize")
        if self.expand is not None and not any(self.expand.margins):
            raise InvalidRequest("expand must name at least one side with more than 0 pixels.", field="expand")


NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "remove": ("mask",),
        "mask_mode": ("mask",),
        "mask_padding": ("mask",),
        "inpaint_method": ("mask", "expand"),
    }
)
"""What a field needs one of; without an entry, it is `image`."""

EXCLUDES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "variation": ("strength", "mask", "expand", "upscale", "image_guidance_scale"),
        "upscale": ("mask", "expand", "image_guidance_scale", "resize"),
        "mask_padding": ("expand", "resize"),
        "remove": ("expand", "image_guidance_scale"),
        "image_guidance_scale": ("strength", "mask", "expand"),
    }
)
"""What a field cannot be combined with."""
