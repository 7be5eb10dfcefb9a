"""What only decoding tells of a picture that is to be verified; a decoder looks, in a process of its own."""

from PIL import Image
from pydantic import BaseModel, ConfigDict

from app.manifests import ManifestShown, read_manifest
from app.pictures import Limits, judged
from contract.sealed_files import parted, pixels_digest

CLAIM = "safelight"
"""The keyword under which our PNGs hold their request; JPEG and WebP have it as their description."""

IMAGE_DESCRIPTION = 0x010E


class Seen(BaseModel):
    """What a decoder says. `pixels_sha256` is None where some of the pixels can be looked through; `claims` says that
    the file has a request as ours have; `manifest` is None where there is none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pixels_sha256: str | None
    claims: bool
    manifest: ManifestShown | None


def look(content: bytes, limits: Limits, anchors: str | None) -> Seen:
    """Looks at a picture. Raises: UnsupportedFile, DamagedFile, LimitExceeded."""
    with judged(content, limits) as picture:
        media_type = Image.MIME[picture.format or ""]
        return Seen(
            pixels_sha256=_pixels(picture),
            claims=_claims(picture),
            manifest=read_manifest(content, media_type, anchors) if parted(content).has_manifest else None,
        )


def _pixels(picture: Image.Image) -> str | None:
    """The digest of the pixels."""
    if picture.has_transparency_data:
        opaque = picture.convert("RGBA")
        if opaque.getchannel("A").getextrema() != (255, 255):
            return None
        picture = opaque
    return pixels_digest(*picture.size, picture.convert("RGB").tobytes())


def _claims(picture: Image.Image) -> bool:
    """Whether the file has the request that made it."""
    if picture.format == "PNG":
        picture.load()  # Texts may stand behind the pixels.
        return CLAIM in picture.info
    description = str(picture.getexif().get(IMAGE_DESCRIPTION, ""))
    return description.startswith("{") and '"num_inference_steps":' in description
