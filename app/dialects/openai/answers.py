"""Finished pictures as OpenAI's clients read them."""

from base64 import b64encode
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from app.dialects.openai.bodies import Asked, Quality
from app.dialects.openai.translation import said_quality
from app.dialects.outcomes import pictures
from app.links import BASE, Links
from app.resources import Resources
from app.responses import IMAGE_ID
from contract.job import Job
from contract.request import CompleteRequest, OutputFormat

JOB_HEADER = "X-Job-Id"
"""Under which header every answer says which job it is of."""


class ImageAnswered(BaseModel):
    """One finished picture: itself, or its address."""

    b64_json: str | None = Field(default=None, description="The file in base64.", examples=["iVBORw0KGgo="])
    url: str | None = Field(
        default=None,
        description="Where the file is, as long as the job is kept.",
        examples=[f"{BASE}/v1/artifacts/{IMAGE_ID}"],
    )
    seed: int = Field(description="With this `seed` and `n` 1, the same call makes this picture.", examples=[7])


class ImagesAnswer(BaseModel):
    """The pictures of one call. There is no `usage`: nothing here is counted in tokens."""

    created: int = Field(description="When the last of them was finished, in Unix seconds.", examples=[1795512600])
    data: list[ImageAnswered] = Field(
        description="The pictures, in the order of their seeds.", examples=[[{"b64_json": "iVBORw0KGgo=", "seed": 7}]]
    )
    background: Literal["opaque"] = Field(default="opaque", description="Always this.", examples=["opaque"])
    output_format: OutputFormat = Field(description="How they are encoded.", examples=["png"])
    quality: Quality | None = Field(
        default=None, description="As asked; left out where `num_inference_steps` was asked for.", examples=["medium"]
    )
    size: str = Field(description="Width × height in pixels.", examples=["128x128"])


async def answer(job: Job, asked: Asked, resources: Resources, links: Links) -> Response:
    """The pictures of a job that has succeeded. Raises: UnknownArtifact, StoreUnavailable."""
    shown = ImagesAnswer(
        created=int((job.finished_at or job.created_at).timestamp()),
        data=await _images(job, asked, resources, links),
        output_format=job.request.output_format,
        quality=said_quality(asked),
        size=size_of(job.request),
    )
    return JSONResponse(shown.model_dump(exclude_none=True), headers={JOB_HEADER: job.id})


def size_of(request: CompleteRequest) -> str:
    """A size as OpenAI writes it: the width first."""
    return f"{request.width}x{request.height}"


async def _images(job: Job, asked: Asked, resources: Resources, links: Links) -> list[ImageAnswered]:
    if asked.response_format == "url":
        return [ImageAnswered(url=links.artifact(image.id), seed=image.seed) for image in job.images]
    contents = await pictures(job, resources)
    return [
        ImageAnswered(b64_json=b64encode(content).decode(), seed=image.seed)
        for image, content in zip(job.images, contents, strict=True)
    ]
