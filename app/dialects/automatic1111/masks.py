"""Masks as AUTOMATIC1111 reads them, and what lies under them before anything is painted."""

from typing import NamedTuple

from PIL import Image, ImageFilter, ImageOps

WHITE = 255
FILLING = ((256, 1), (64, 1), (16, 2), (4, 4), (2, 2), (0, 1))
"""The blurs that are laid over each other, the widest first: radius in pixels, and how often."""


class Brush(NamedTuple):
    """What is done with a mask. Units: blur in pixels, across and down."""

    rounded: bool
    inverted: bool
    blur: tuple[int, int]

    def over(self, mask: Image.Image) -> Image.Image:
        """How much each pixel is repainted, white wholly: by its opacity where it has any, else by its brightness.

        Source: `create_binary_mask` and what `init` of `StableDiffusionProcessingImg2Img` makes of it, in
                AUTOMATIC1111/stable-diffusion-webui, modules/processing.py.
        """
        grey = self._grey(mask)
        if self.inverted:
            grey = ImageOps.invert(grey)
        return grey.filter(ImageFilter.GaussianBlur(self.blur)) if any(self.blur) else grey

    def _grey(self, mask: Image.Image) -> Image.Image:
        if mask.mode != "RGBA" or mask.getchannel("A").getextrema() == (WHITE, WHITE):
            return mask.convert("L")
        opacity = mask.getchannel("A")
        return opacity.point(lambda tone: WHITE * (tone > WHITE // 2 + 1)) if self.rounded else opacity


def filled(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """The picture with colours from around the mask under it.

    Source: `fill` of AUTOMATIC1111/stable-diffusion-webui, modules/masking.py.
    """
    seen = Image.new("RGBa", picture.size)
    seen.paste(on_white(picture).convert("RGBA").convert("RGBa"), mask=ImageOps.invert(mask))
    layers = Image.new("RGBA", picture.size)
    for radius, times in FILLING:
        blurred = seen.filter(ImageFilter.GaussianBlur(radius)).convert("RGBA")
        for _ in range(times):
            layers.alpha_composite(blurred)
    return layers.convert("RGB")


def on_white(picture: Image.Image) -> Image.Image:
    """The picture without its alpha."""
    if picture.mode != "RGBA":
        return picture.convert("RGB")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")
