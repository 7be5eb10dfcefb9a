"""Pictures from prompts and from pictures, waited for."""

from fastapi import APIRouter
from starlette.requests import Request

from app.dependencies import ResourcesOf
from app.dialects.automatic1111.answers import Pictures, answer
from app.dialects.automatic1111.image_to_image import ImageToImage
from app.dialects.automatic1111.making import made_from_picture, made_from_text
from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.text_to_image import TextToImage
from app.errors import BodyTooLarge, JobCancelled, MalformedJSON, UnknownSampler, UnsupportedMediaType
from contract.errors import (
    AdapterMismatch,
    ArtifactStoreUnavailable,
    DamagedFile,
    GenerationFailed,
    InvalidMask,
    InvalidRequest,
    LimitExceeded,
    MalformedPrompt,
    ModelUnavailable,
    QueueFull,
    QuotaExceeded,
    QuotaTooSmall,
    StoreUnavailable,
    UnknownAdapter,
    UnknownFile,
    UnknownModel,
    UnsupportedEdit,
    UnsupportedFile,
    UnsupportedScheduler,
    WorkerDied,
)

router = APIRouter(prefix="/sdapi/v1", tags=["automatic1111"], route_class=Automatic1111Route)

BAD_REQUESTS = (
    InvalidRequest,
    MalformedJSON,
    UnsupportedMediaType,
    BodyTooLarge,
    UnknownSampler,
    UnsupportedScheduler,
    UnknownModel,
    UnknownAdapter,
    AdapterMismatch,
    LimitExceeded,
    MalformedPrompt,
)
ENDS = (
    JobCancelled,
    QueueFull,
    QuotaExceeded,
    QuotaTooSmall,
    GenerationFailed,
    WorkerDied,
    ModelUnavailable,
    StoreUnavailable,
    ArtifactStoreUnavailable,
)


@router.post(
    "/txt2img",
    response_description="The pictures are finished.",
    responses=Automatic1111Route.documented(*BAD_REQUESTS, *ENDS),
)
async def txt2img(asked: TextToImage, request: Request, resources: ResourcesOf) -> Pictures:
    """Make pictures from a prompt, and wait for them. What would change nothing here is taken, the rest refused."""
    return await answer(asked, await made_from_text(asked, request, resources), resources)


@router.post(
    "/img2img",
    response_description="The pictures are finished.",
    responses=Automatic1111Route.documented(
        *BAD_REQUESTS, UnknownFile, UnsupportedFile, DamagedFile, InvalidMask, UnsupportedEdit, *ENDS
    ),
)
async def img2img(asked: ImageToImage, request: Request, resources: ResourcesOf) -> Pictures:
    """Make pictures from a picture, or repaint a part of it, and wait for them."""
    return await answer(asked, await made_from_picture(asked, request, resources), resources)
