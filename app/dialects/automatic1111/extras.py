"""Pictures that are made larger without a model, by a kernel; each is answered, and kept nowhere."""

import base64
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from fastapi import APIRouter
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import ResourcesOf
from app.dialects.automatic1111.inert import only
from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.sent_pictures import EXAMPLE, as_png, opened, sent
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.resources import Resources
from app.settings import AppSettings
from contract.errors import DamagedFile, InvalidRequest, LimitExceeded, UnsupportedFile

NO_FACES = "no model here restores faces"
NONE = "None"
KERNELS: Mapping[str, Image.Resampling] = MappingProxyType(
    {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}
)
UPSCALERS: tuple[str, ...] = (NONE, *KERNELS)

MULTIPLE = 8
"""Sides of results are multiples of this many pixels, as there."""

router = APIRouter(
    prefix="/sdapi/v1",
    tags=["automatic1111"],
    route_class=Automatic1111Route,
    responses=Automatic1111Route.documented(
        InvalidRequest,
        MalformedJSON,
        UnsupportedMediaType,
        BodyTooLarge,
        UnsupportedFile,
        DamagedFile,
        LimitExceeded,
    ),
)


class Extras(BaseModel):
    """How pictures are made larger."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    resize_mode: int = Field(
        default=0, ge=0, le=1, description="0 by `upscaling_resize`, 1 to `upscaling_resize_w` and `_h`.", examples=[0]
    )
    show_extras_results: bool = Field(default=True, description="Whether to answer the picture.", examples=[True])
    gfpgan_visibility: Annotated[float, only(0, because=NO_FACES)] = Field(
        default=0, description="How far a model for faces counts: 0.", examples=[0]
    )
    codeformer_visibility: Annotated[float, only(0, because=NO_FACES)] = Field(
        default=0, description="How far another model for faces counts: 0.", examples=[0]
    )
    codeformer_weight: float = Field(
        default=0, description="Without `codeformer_visibility`, it says nothing, so any is taken.", examples=[0]
    )
    upscaling_resize: float = Field(default=2, gt=0, le=8, description="How many times as large.", examples=[2])
    upscaling_resize_w: int = Field(default=512, ge=1, description="The width to reach, in pixels.", examples=[512])
    upscaling_resize_h: int = Field(default=512, ge=1, description="The height to reach, in pixels.", examples=[512])
    upscaling_crop: bool = Field(
        default=True, description="Whether what is over the width or the height is cut off.", examples=[True]
    )
    upscaler_1: str = Field(
        default=NONE,
        description="A name from `GET /sdapi/v1/upscalers`; None leaves it as it is.",
        examples=["Lanczos"],
    )
    upscaler_2: str = Field(default=NONE, description="A second one, which is mixed in.", examples=["Nearest"])
    extras_upscaler_2_visibility: float = Field(
        default=0, ge=0, le=1, description="How far the second one counts, 0 to 1.", examples=[0]
    )
    upscale_first: bool = Field(
        default=False,
        description="Whether to do so before faces are restored, which none are.",
        examples=[False],
    )

    def enlarged(self, picture: Image.Image, settings: AppSettings) -> Image.Image:
        """The picture in its new size. Raises: InvalidRequest, LimitExceeded.

        Source: `ScriptPostprocessingUpscale` of AUTOMATIC1111/stable-diffusion-webui,
                scripts/postprocessing_upscale.py, and `Upscaler.upscale`, modules/upscaler.py.
        """
        first = self._by(self.upscaler_1, "upscaler_1", picture, settings)
        second = self._by(self.upscaler_2, "upscaler_2", picture, settings)
        if self.upscaler_2 == NONE or not self.extras_upscaler_2_visibility:
            return first
        if first.size != second.size:
            raise InvalidRequest("upscaler_1 is None, so upscaler_2 has nothing to mix with.", field="upscaler_1")
        return Image.blend(first, second, self.extras_upscaler_2_visibility)

    def _by(self, upscaler: str, field: str, picture: Image.Image, settings: AppSettings) -> Image.Image:
        if upscaler == NONE:
            return picture
        if upscaler not in KERNELS:
            raise InvalidRequest(f"{field} can be {', '.join(UPSCALERS)} here.", field=field)
        wanted = self.upscaling_resize_w, self.upscaling_resize_h
        factor = (
            max(wanted[0] / picture.width, wanted[1] / picture.height) if self.resize_mode else self.upscaling_resize
        )
        width, height = (max(MULTIPLE, int(side * factor // MULTIPLE * MULTIPLE)) for side in picture.size)
        if max(width, height) > settings.max_image_side or width * height > settings.max_image_pixels:
            raise LimitExceeded(
                f"The result would have {width} × {height} pixels, which is more than a picture may have.",
                field="upscaling_resize_w" if self.resize_mode else "upscaling_resize",
            )
        enlarged = picture.resize((width, height), KERNELS[upscaler])
        return _cut(enlarged, *wanted) if self.resize_mode and self.upscaling_crop else enlarged

    @property
    def said(self) -> str:
        """What was done, in words."""
        by = (
            f"{self.upscaling_resize_w}x{self.upscaling_resize_h}" if self.resize_mode else f"{self.upscaling_resize:g}"
        )
        return (
            "" if self.upscaler_1 == NONE else f"Postprocess upscale by: {by}, Postprocess upscaler: {self.upscaler_1}"
        )


class OnePicture(Extras):
    """A picture to be made larger."""

    image: str = Field(
        description="A PNG, JPEG or WebP in base64, or a `data:` URI. URLs are not fetched.", examples=[EXAMPLE]
    )


class NamedPicture(BaseModel):
    """A picture with a name."""

    model_config = ConfigDict(extra="forbid")

    data: str = Field(description="The picture, as in `image`.", examples=[EXAMPLE])
    name: str = Field(default="", description="A name of your own; it is not looked at.", examples=["apple"])


class SeveralPictures(Extras):
    """Pictures to be made larger, all in the same way."""

    imageList: list[NamedPicture] = Field(  # noqa: N815
        min_length=1, max_length=16, description="The pictures.", examples=[[{"data": EXAMPLE, "name": "apple"}]]
    )


class Enlarged(BaseModel):
    """A picture that was made larger."""

    html_info: str = Field(description="What was done, in words.", examples=["Postprocess upscale by: 2"])
    image: str | None = Field(description="The picture, a PNG in base64.", examples=[EXAMPLE])


class SeveralEnlarged(BaseModel):
    """Pictures that were made larger."""

    html_info: str = Field(description="What was done, in words.", examples=["Postprocess upscale by: 2"])
    images: list[str] = Field(description="The pictures, each a PNG in base64.", examples=[[EXAMPLE]])


@router.post("/extra-single-image", response_description="The larger picture.")
async def enlarge(asked: OnePicture, resources: ResourcesOf) -> Enlarged:
    """Make a picture larger by a kernel. `hires fix` has a model draw the details anew."""
    content = await _enlarged(asked, asked.image, "image", resources)
    return Enlarged(html_info=asked.said, image=content if asked.show_extras_results else None)


@router.post("/extra-batch-images", response_description="The larger pictures.")
async def enlarge_several(asked: SeveralPictures, resources: ResourcesOf) -> SeveralEnlarged:
    """Make pictures larger by a kernel."""
    contents = [
        await _enlarged(asked, named.data, f"imageList.{place}.data", resources)
        for place, named in enumerate(asked.imageList)
    ]
    return SeveralEnlarged(html_info=asked.said, images=contents if asked.show_extras_results else [])


async def _enlarged(asked: Extras, text: str, field: str, resources: Resources) -> str:
    """The larger picture in base64. Raises: as `sent` and `Extras.enlarged`."""
    picture = await sent(text, field, resources)
    said = {"postprocessing": asked.said} if asked.said else {}
    enlarged = await resources.file_checker.work(
        lambda: as_png(asked.enlarged(opened(picture), resources.settings), **said), field=field
    )
    return base64.b64encode(enlarged).decode()


def _cut(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The middle of a picture."""
    left, top = picture.width // 2 - width // 2, picture.height // 2 - height // 2
    return picture.crop((left, top, left + width, top + height))
