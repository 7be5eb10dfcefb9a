"""What size an edited picture has, its own, with what is added, or what it is brought to; and which masks fit it."""

from collections.abc import Mapping
from typing import NamedTuple

from contract.editing import Edit, Size
from contract.errors import InvalidMask, InvalidRequest, LimitExceeded


class Allowed(NamedTuple):
    """The sizes that a model takes: multiples of `multiple`, from `least` to `greatest` on each side. Units: pixels."""

    multiple: int
    least: int
    greatest: int

    def has(self, size: Size) -> bool:
        """Whether it is one of them."""
        return all(side % self.multiple == 0 and self.least <= side <= self.greatest for side in size)

    def nearest(self, size: Size) -> Size:
        """One of them that is close to a size, in its proportions as far as there is one."""
        shrunk = min(1.0, self.greatest / max(size))
        return Size(*(self._side(side * shrunk) for side in size))

    def _side(self, side: float) -> int:
        steps = round(side / self.multiple)
        least, greatest = -(-self.least // self.multiple), self.greatest // self.multiple
        return self.multiple * min(max(steps, least), greatest)

    def __str__(self) -> str:
        return f"multiples of {self.multiple} from {self.least} to {self.greatest}"


class Asked(NamedTuple):
    """The height and width of a request; None is left open."""

    height: int | None
    width: int | None

    def over(self, size: Size) -> Size:
        """The size, with what is asked in its place."""
        return Size(
            size.height if self.height is None else self.height, size.width if self.width is None else self.width
        )


def check_sizes(sizes: Mapping[str, Size]) -> None:
    """Holds the sizes of `image` and `mask` against each other. Raises: InvalidMask."""
    if "mask" in sizes and sizes["mask"] != sizes["image"]:
        raise InvalidMask(
            f"mask is {sizes['mask']} pixels, and image is {sizes['image']}; they must be equal.", field="mask"
        )


def check_tones(darkest: int, brightest: int) -> None:
    """Holds a mask against what masks are for: a part of it is selected, and a part is not. Raises: InvalidMask."""
    if brightest == 0:
        raise InvalidMask("mask is black everywhere, so nothing would change.", field="mask")
    if darkest == 255:
        raise InvalidMask("mask is white everywhere; leave it out to repaint the whole picture.", field="mask")


def canvas_size(edit: Edit, asked: Asked, picture: Size, allowed: Allowed) -> Size:
    """The size at which an edited picture is painted. Raises: InvalidRequest, LimitExceeded."""
    if edit.upscale is not None:
        return asked.over(allowed.nearest(picture.times(edit.upscale)))
    if edit.mask_padding is not None:
        return asked.over(allowed.nearest(picture))
    if edit.resize == "latents" and not allowed.has(picture):
        raise LimitExceeded(
            f"image is {picture} pixels; the model makes latents of {allowed} on each side, to be stretched then.",
            field="image",
        )
    own = picture if edit.expand is None else picture.plus(edit.expand.margins)
    if edit.resize is not None:
        size = asked.over(allowed.nearest(own))
        if edit.expand is not None and min(size.less(edit.expand.margins)) < 1:
            raise InvalidRequest(f"expand leaves nothing of {size} pixels for image.", field="expand")
        return size
    if asked.over(own) != own:
        raise InvalidRequest(
            f"The result would be {own} pixels, and {asked.over(own)} are asked for; `resize` says how to bring image "
            "to a size.",
            field="height" if asked.height not in (None, own.height) else "width",
        )
    if not allowed.has(own):
        raise LimitExceeded(
            f"The result would be {own} pixels, and the model takes {allowed} on each side; with `resize`, it would be "
            f"{allowed.nearest(own)}.",
            field="image" if edit.expand is None else "expand",
        )
    return own
