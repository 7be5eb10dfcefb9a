"""What a picture says of itself, taken apart as AUTOMATIC1111 does it."""

import json
import re
from contextlib import suppress

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import ResourcesOf
from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.sent_pictures import EXAMPLE, decoded
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from app.picture_texts import EXIF_COMMENT
from contract.errors import DamagedFile, InvalidRequest, LimitExceeded, UnsupportedFile
from contract.infotext import INFOTEXT_KEY

NEGATIVE = "Negative prompt:"
LEAST_PARAMETERS = 3
"""A last line with fewer of them is still prompt."""

_PARAMETER = re.compile(r'\s*(\w[\w /-]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d+)x(\d+)")

router = APIRouter(prefix="/sdapi/v1", tags=["automatic1111"], route_class=Automatic1111Route)


class Question(BaseModel):
    """A picture to be read."""

    model_config = ConfigDict(extra="forbid")

    image: str = Field(
        description="A PNG, JPEG or WebP in base64, or a `data:` URI. URLs are not fetched.", examples=[EXAMPLE]
    )


class Said(BaseModel):
    """What a picture says of itself."""

    info: str = Field(
        description="How it was made, as text; empty where it does not say.",
        examples=["a red apple\nSteps: 20, Sampler: DDIM, Seed: 7"],
    )
    items: dict[str, str] = Field(
        description="All other texts in it by keyword; `safelight` is the complete request of a picture of ours.",
        examples=[{"safelight": '{"prompt": "a red apple"}'}],
    )
    parameters: dict[str, str] = Field(
        description="The parts of `info` by name.", examples=[{"Prompt": "a red apple", "Steps": "20", "Seed": "7"}]
    )


@router.post(
    "/png-info",
    response_description="What the picture says.",
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
async def read_picture(asked: Question, resources: ResourcesOf) -> Said:
    """Read how a picture was made."""
    content = decoded(asked.image, "image")
    await resources.file_checker.check(lambda: content, field="image")
    texts = await resources.file_checker.texts(content, field="image")
    own = texts.pop(INFOTEXT_KEY, "")
    info = texts.pop(EXIF_COMMENT, own)
    return Said(info=info, items=texts, parameters=parameters_of(info) if info else {})


def parameters_of(info: str) -> dict[str, str]:
    """The parts of an infotext.

    Source: `parse_generation_parameters` of AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py.
    """
    *lines, last = info.strip().split("\n")
    found = _PARAMETER.findall(last)
    if len(found) < LEAST_PARAMETERS:
        lines, found = [*lines, last], []
    prompt, _, negative = "\n".join(lines).partition(NEGATIVE)
    parameters = {"Prompt": prompt.strip(), "Negative prompt": negative.strip()}
    for name, value in found:
        parameters |= _parts(name, value.strip())
    return parameters


def _parts(name: str, value: str) -> dict[str, str]:
    """A value by its name, unquoted; a size as two of them."""
    with suppress(ValueError):
        value = str(json.loads(value)) if value.startswith('"') else value
    size = _SIZE.fullmatch(value)
    return {name: value} if size is None else {f"{name}-1": size[1], f"{name}-2": size[2]}
