"""Reading and setting options. There is one set of them for each caller, and none that one caller sets for another."""

from fastapi import APIRouter

from app.dependencies import ResourcesOf
from app.dialects.automatic1111.route import Automatic1111Route
from app.dialects.automatic1111.settings import Settings, in_force, keep
from app.errors import BodyTooLarge, MalformedJSON, UnsupportedMediaType
from contract.errors import InvalidRequest, StoreUnavailable, UnknownModel

router = APIRouter(prefix="/sdapi/v1", tags=["automatic1111"], route_class=Automatic1111Route)


@router.get(
    "/options",
    response_description="The options of this caller.",
    responses=Automatic1111Route.documented(StoreUnavailable),
)
async def read_options(resources: ResourcesOf) -> Settings:
    """Read what requests take that say nothing else in `override_settings`."""
    return await in_force(resources)


@router.post(
    "/options",
    response_description="The options are set.",
    responses=Automatic1111Route.documented(
        InvalidRequest, MalformedJSON, UnsupportedMediaType, BodyTooLarge, UnknownModel, StoreUnavailable
    ),
)
async def set_options(settings: Settings, resources: ResourcesOf) -> None:
    """Have later requests of this caller take another model or format, until none comes for a week."""
    await keep(settings, resources)
