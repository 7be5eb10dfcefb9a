"""Pictures from pictures, as AUTOMATIC1111 asks for them."""

from typing import Annotated, Any, NamedTuple

from pydantic import Field

from app.admission import Brought, name_of
from app.dialects.automatic1111.asking import Asking
from app.dialects.automatic1111.inert import only
from app.dialects.automatic1111.masks import Brush, filled
from app.dialects.automatic1111.sent_pictures import EXAMPLE, opened, painted, sent
from app.dialects.automatic1111.settings import Choice
from app.resources import Resources
from contract.catalogue import ModelSpec
from contract.editing import DEFAULT_STRENGTH, Resize
from contract.errors import InvalidMask, InvalidRequest, UnknownFile
from contract.file_content import FileContent

RESIZES: tuple[Resize, ...] = ("stretch", "crop", "pad", "latents")
"""By `resize_mode`."""

ORIGINAL = 1
"""The `inpainting_fill` that leaves under the mask what the picture shows."""


class ImageToImage(Asking):
    """A request for pictures from a picture."""

    init_images: list[str] | None = Field(
        default=None,
        description="The picture to begin with, one: a PNG, JPEG or WebP in base64, or a `data:` URI. URLs are not "
        "fetched.",
        examples=[[EXAMPLE]],
    )
    include_init_images: bool | None = Field(
        default=False,
        description="Whether `parameters` of the answer has the pictures that were sent.",
        examples=[False],
    )
    resize_mode: int | None = Field(
        default=0,
        ge=0,
        le=3,
        description="How the picture is brought to `width` and `height`: 0 stretches it, 1 crops what is over, 2 fills "
        "what is missing with the colours of its edges, 3 stretches its latents. It keeps its size with a mask and "
        "`inpaint_full_res`.",
        examples=[0],
    )
    denoising_strength: float | None = Field(
        default=None,
        description="How far the result may leave the picture, above 0 and up to 1: int(`steps` × this) steps are "
        "made. Null is 0.75, and 1 for models that follow instructions.",
        examples=[0.75],
    )
    image_cfg_scale: float | None = Field(
        default=None,
        description="For models that follow instructions, how closely the result keeps to the picture; others do not "
        "look at it.",
        examples=[1.5],
    )
    mask: str | None = Field(
        default=None,
        description="Where the picture is repainted: white is repainted, black is kept. As `init_images`, of the same "
        "size.",
        examples=[None],
    )
    mask_blur: int | None = Field(
        default=None, ge=0, le=64, description="How far the mask's edge is blurred, in pixels; null is 4.", examples=[4]
    )
    mask_blur_x: int | None = Field(
        default=4, ge=0, le=64, description="The same across, where `mask_blur` is not there.", examples=[4]
    )
    mask_blur_y: int | None = Field(
        default=4, ge=0, le=64, description="The same down, where `mask_blur` is not there.", examples=[4]
    )
    mask_round: bool | None = Field(
        default=True, description="Whether grey in the mask becomes black or white first.", examples=[True]
    )
    inpainting_mask_invert: int | None = Field(
        default=0,
        ge=0,
        le=1,
        description="1 repaints what is black in the mask, and keeps what is white.",
        examples=[0],
    )
    inpainting_fill: Annotated[int | None, only(None, 0, 1, because="latents start over a picture here")] = Field(
        default=0,
        description="What is under the mask at first: 0 the colours around it, 1 the picture. Noise (2) and nothing "
        "(3) are refused.",
        examples=[0],
    )
    inpaint_full_res: bool | None = Field(
        default=True,
        description="Whether only the part around the mask is painted, in the size that is asked for, and put back.",
        examples=[True],
    )
    inpaint_full_res_padding: int | None = Field(
        default=0, ge=0, le=256, description="How far around the mask that part reaches, in pixels.", examples=[32]
    )
    initial_noise_multiplier: Annotated[float | None, only(None, 1, because="noise is as it was drawn")] = Field(
        default=None, description="How strong the first noise is: 1.", examples=[1]
    )
    latent_mask: Annotated[str | None, only(None, "", because="there is one mask, `mask`")] = Field(
        default=None, description="A second mask, for the latents alone: none.", examples=[None]
    )

    async def changes(self, choice: Choice, resources: Resources) -> "Changes":
        """What changes a picture in our request. Raises: UnknownFile, InvalidRequest, InvalidMask, and as `sent`."""
        if not self.init_images:
            raise UnknownFile("init_images has no picture.", field="init_images")
        if len(self.init_images) > 1:
            raise InvalidRequest("init_images has several pictures; send one at a time.", field="init_images")
        image = await sent(self.init_images[0], "init_images", resources)
        fields = {"resize": RESIZES[self.resize_mode or 0]} | self._freedom(choice.model)
        if not self.mask:
            return Changes(fields, image)
        mask = await sent(self.mask, "mask", resources)
        drawn = await painted(lambda: self._brush.over(opened(mask)), "mask", resources)
        return Changes(fields | self._around(choice.model), await self._under(drawn, image, resources), drawn)

    def _freedom(self, model: ModelSpec) -> dict[str, Any]:
        """How far the result may leave the picture. Raises: InvalidRequest."""
        if model.trained_for != "instructions":
            return {"strength": DEFAULT_STRENGTH if self.denoising_strength is None else self.denoising_strength}
        if self.denoising_strength not in (None, 1):
            raise InvalidRequest(f"{model.id} makes all steps; denoising_strength is 1.", field="denoising_strength")
        return {"image_guidance_scale": self.image_cfg_scale}

    def _around(self, model: ModelSpec) -> dict[str, Any]:
        """What of the picture is painted, and how that is made to fit."""
        whole = {"inpaint_method": "fast"} if model.trained_for == "pictures" else {}
        if not self.inpaint_full_res:
            return whole
        return whole | {"mask_padding": self.inpaint_full_res_padding or 0, "resize": None}

    async def _under(self, mask: FileContent, image: FileContent, resources: Resources) -> FileContent:
        """The picture with what lies under the mask at first. Raises: InvalidMask."""
        if self.inpainting_fill == ORIGINAL:
            return image
        if (mask.width, mask.height) != (image.width, image.height):
            raise InvalidMask("mask and the picture in init_images have different sizes.", field="mask")
        return await painted(lambda: filled(opened(image), opened(mask)), "init_images", resources)

    @property
    def _brush(self) -> Brush:
        across, down = (
            (self.mask_blur_x or 0, self.mask_blur_y or 0) if self.mask_blur is None else (self.mask_blur,) * 2
        )
        return Brush(self.mask_round is not False, bool(self.inpainting_mask_invert), (across, down))


class Changes(NamedTuple):
    """The pictures of a request, and what is done with them."""

    said: dict[str, Any]
    image: FileContent
    mask: FileContent | None = None

    @property
    def brought(self) -> Brought:
        """The pictures by the names that a request of ours has for them."""
        return {name_of(file): file for file in (self.image, self.mask) if file is not None}

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of our request."""
        return self.said | {"image": name_of(self.image), "mask": None if self.mask is None else name_of(self.mask)}
