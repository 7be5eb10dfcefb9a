"""OpenAI's operations on pictures: generations, edits, variations."""

from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from app.admission import name_of
from app.dependencies import LinksOf, ResourcesOf
from app.dialects.openai.answers import JOB_HEADER, ImagesAnswer, answer
from app.dialects.openai.bodies import Asked, Drawing, ImageEdit, ImageGeneration, ImageVariation
from app.dialects.openai.errors import OpenAIRoute
from app.dialects.openai.masks import mask_from, mask_within
from app.dialects.openai.retries import Call, CallOf, admitted
from app.dialects.openai.streams import EXAMPLE, Kind, stream
from app.dialects.openai.translation import drawn, varied
from app.dialects.outcomes import succeeded
from app.errors import BodyTooLarge, JobCancelled, MalformedJSON, MalformedMultipart, UnsupportedMediaType
from app.forms import FileField, Form, Received
from app.links import Links
from app.resources import Resources
from app.responses import JOB_ID
from app.uploads import received
from contract.errors import (
    ArtifactStoreUnavailable,
    DamagedFile,
    IdempotencyConflict,
    InvalidMask,
    InvalidRequest,
    LimitExceeded,
    ModelUnavailable,
    QueueFull,
    SafelightError,
    StoreUnavailable,
    UnknownModel,
    UnsupportedEdit,
    UnsupportedFile,
    WorkerDied,
)
from contract.file_content import FileContent
from contract.job import Job

ERRORS = (
    InvalidRequest,
    UnsupportedMediaType,
    BodyTooLarge,
    UnknownModel,
    LimitExceeded,
    IdempotencyConflict,
    QueueFull,
    StoreUnavailable,
    ArtifactStoreUnavailable,
    JobCancelled,
    ModelUnavailable,
    WorkerDied,
)
FORM_ERRORS = (*ERRORS, MalformedMultipart, UnsupportedFile, DamagedFile, InvalidMask, UnsupportedEdit)

JOB_HEADERS: dict[str, Any] = {
    JOB_HEADER: {"description": "The job, for `GET /v1/jobs/{id}`.", "schema": {"type": "string"}, "example": JOB_ID}
}
PICTURES: dict[int | str, dict[str, Any]] = {
    200: {"model": ImagesAnswer, "description": "The pictures.", "headers": JOB_HEADERS}
}
PICTURES_OR_STREAM: dict[int | str, dict[str, Any]] = {
    200: PICTURES[200] | {"content": {"text/event-stream": {"example": EXAMPLE}}}
}

IMAGE = FileField("The picture to begin with: PNG, JPEG or WebP. Several are refused.", alias="image[]")
MASK = FileField(
    "A picture of the same size, fully transparent where `image` is to be edited. Without one, the places where "
    "`image` itself is fully transparent; where there are none, all of it.",
    required=False,
)
EDIT = Form({"image": IMAGE, "mask": MASK}, ImageEdit)
VARIATION = Form({"image": FileField(IMAGE.description)}, ImageVariation)

router = APIRouter(prefix="/v1/images", tags=["openai"], route_class=OpenAIRoute)


class Visit(NamedTuple):
    """One call, and what it takes to answer it."""

    request: Request
    resources: Resources
    links: Links
    call: Call


async def visit(request: Request, resources: ResourcesOf, links: LinksOf, call: CallOf) -> Visit:
    """This call."""
    return Visit(request, resources, links, call)


VisitOf = Annotated[Visit, Depends(visit)]


@router.post(
    "/generations",
    response_class=Response,
    responses=PICTURES_OR_STREAM | OpenAIRoute.documented(*ERRORS, MalformedJSON),
)
async def create_image(asked: ImageGeneration, visit: VisitOf) -> Response:
    """Draw pictures from a prompt, as OpenAI's clients ask for it."""
    job = await admitted(drawn(asked, visit.resources.catalogue), visit.call, visit.resources)
    return await _shown(job, asked, "image_generation", visit)


@router.post(
    "/edits",
    response_class=Response,
    openapi_extra={"requestBody": EDIT.documented},
    responses=PICTURES_OR_STREAM | OpenAIRoute.documented(*FORM_ERRORS),
)
async def create_image_edit(visit: VisitOf) -> Response:
    """Change a picture, or the part of it that a mask selects, as OpenAI's clients ask for it."""
    resources = visit.resources
    async with received(visit.request, EDIT, resources.settings.max_image_bytes) as form:
        asked = form.as_fields_of(ImageEdit)
        drawn(asked, resources.catalogue)  # What is wrong with the texts is said before pictures are decoded.
        pictures = await _pictures(form, resources)
    names = {field: name_of(picture) for field, picture in pictures.items()}
    generation = drawn(asked, resources.catalogue, **names)
    job = await admitted(generation, visit.call, resources, {names[field]: pictures[field] for field in names})
    return await _shown(job, asked, "image_edit", visit)


@router.post(
    "/variations",
    response_class=Response,
    openapi_extra={"requestBody": VARIATION.documented},
    responses=PICTURES | OpenAIRoute.documented(*FORM_ERRORS),
)
async def create_image_variation(visit: VisitOf) -> Response:
    """Draw pictures like one that is sent, as OpenAI's clients ask for it."""
    resources = visit.resources
    async with received(visit.request, VARIATION, resources.settings.max_image_bytes) as form:
        asked = form.as_fields_of(ImageVariation)
        image = await _picture("image", form, resources)
    generation = varied(asked, resources.catalogue, name_of(image))
    return await _finished(await admitted(generation, visit.call, resources, {name_of(image): image}), asked, visit)


async def _pictures(form: Received, resources: Resources) -> dict[str, FileContent]:
    """The picture, and the mask that came with it or is in it."""
    image = await _picture("image", form, resources)
    if "mask" in form.files:
        transparent = await _picture("mask", form, resources)
        mask = await resources.file_checker.work(lambda: mask_from(transparent), field="mask")
        return {"image": image, "mask": mask}
    within = await resources.file_checker.work(lambda: mask_within(image), field="image")
    return {"image": image} if within is None else {"image": image, "mask": within}


async def _picture(field: str, form: Received, resources: Resources) -> FileContent:
    content = await resources.file_checker.check(form.files[field].read, field=field)
    if content.kind != "image":
        raise UnsupportedFile(f"{field} is no picture.", field=field)
    return content


async def _shown(job: Job, asked: Drawing, kind: Kind, visit: Visit) -> Response:
    if asked.stream:
        return stream(job, asked, kind, visit.resources, visit.request.state.request_id)
    return await _finished(job, asked, visit)


async def _finished(job: Job, asked: Asked, visit: Visit) -> Response:
    """The pictures, or why there are none; either way with the job's id."""
    try:
        return await answer(await succeeded(job, visit.request, visit.resources), asked, visit.resources, visit.links)
    except SafelightError as error:
        refused = OpenAIRoute.answer(error, visit.request.state.request_id)
        refused.headers[JOB_HEADER] = job.id
        return refused
