"""Data sets to learn from: sent as a zip or file by file, read, listed, edited, removed."""

from typing import Annotated, Any, Literal, NamedTuple

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from app.datasets.bounds import Bounds
from app.datasets.judge import Judge
from app.datasets.responses import DATASET_ID, DatasetPage, DatasetSent, DatasetShown
from app.datasets.sending import MORE, NEW, REFUSALS, DatasetTexts, Sending, sent
from app.dependencies import LinksOf, ResourcesOf
from app.downloads import HEAD_ANSWERS, ConditionsOf, documented_bytes, serve
from app.error_responses import documented
from app.errors import BodyTooLarge, MalformedJSON, RangeNotSatisfiable, UnsupportedMediaType
from app.json_bodies import JSONRoute
from app.paging import PageAsked
from app.resources import Resources
from contract.dataset_store import picture_key
from contract.datasets import MAX_CAPTION_LENGTH, Dataset, DatasetPicture
from contract.errors import (
    ArtifactStoreUnavailable,
    DatasetInUse,
    EmptyDataset,
    InvalidRequest,
    LimitExceeded,
    StoreUnavailable,
    UnknownArtifact,
    UnknownDataset,
)

router = APIRouter(prefix="/v1/datasets", tags=["datasets"], route_class=JSONRoute)

CREATED: dict[int | str, dict[str, Any]] = {
    201: {
        "headers": {
            "Location": {
                "description": "Where the data set is.",
                "schema": {"type": "string"},
                "example": f"/v1/datasets/{DATASET_ID}",
            }
        }
    }
}

DatasetId = Annotated[str, Path(description="The data set's id.", examples=[DATASET_ID])]
PictureIndex = Annotated[int, Path(ge=0, description="The number of a picture of it.", examples=[0])]


async def existing_dataset(dataset_id: DatasetId, resources: ResourcesOf) -> Dataset:
    """The data set that the path names. Raises: UnknownDataset."""
    return await resources.datasets.get(dataset_id)


ExistingDataset = Annotated[Dataset, Depends(existing_dataset)]


class CaptionAsked(BaseModel):
    """What a picture is to be called."""

    model_config = ConfigDict(extra="forbid", strict=True)

    caption: str = Field(max_length=MAX_CAPTION_LENGTH, description="What is to be seen.", examples=["a tabby cat"])


class PictureBytes(NamedTuple):
    """A picture of a data set, as bytes that are served."""

    id: str
    size_bytes: int
    sha256: str
    storage_key: str
    media_type: Literal["image/png"] = "image/png"

    @classmethod
    def of(cls, picture: DatasetPicture, dataset_id: str) -> "PictureBytes":
        """Those of a kept picture."""
        return cls(picture.place, picture.size_bytes, picture.sha256, picture_key(dataset_id, picture))


def judge_of(sending: Sending, into: Dataset, resources: Resources) -> Judge:
    """Who judges the files of a call."""
    return Judge(sending.files, into, resources.file_checker, Bounds.of(resources.settings))


@router.post(
    "",
    status_code=201,
    response_description="The data set is kept; `problems` says which files are not in it.",
    openapi_extra={"requestBody": NEW.documented},
    responses=CREATED | documented(*REFUSALS, EmptyDataset),
)
async def create_dataset(request: Request, response: Response, resources: ResourcesOf, links: LinksOf) -> DatasetSent:
    """Send pictures and captions to learn from. Pictures are turned upright, put on white, and lose their metadata."""
    settings = resources.settings
    async with sent(request, NEW, settings.max_dataset_bytes) as sending:
        fresh = resources.datasets.fresh(sending.form.as_fields_of(DatasetTexts).name)
        judge = judge_of(sending, fresh, resources)
        dataset = await resources.datasets.create(fresh, judge.pictures(), most=settings.max_datasets)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/datasets/{dataset.id}"
    return DatasetSent.sent(dataset, judge.problems, links)


@router.get("", response_description="One page of data sets.", responses=documented(InvalidRequest, StoreUnavailable))
async def list_datasets(asked: Annotated[PageAsked, Query()], resources: ResourcesOf) -> DatasetPage:
    """List data sets, newest first; those that are made meanwhile do not shift the pages."""
    return DatasetPage.of(*await resources.datasets.page(limit=asked.limit, cursor=asked.after))


@router.get(
    "/{dataset_id}", response_description="The data set.", responses=documented(UnknownDataset, StoreUnavailable)
)
async def read_dataset(dataset: ExistingDataset, links: LinksOf) -> DatasetShown:
    """Read what a data set has."""
    return DatasetShown.of(dataset, links)


@router.post(
    "/{dataset_id}/pictures",
    response_description="The data set after that; `problems` says which files are not in it.",
    openapi_extra={"requestBody": MORE.documented},
    responses=documented(*REFUSALS, UnknownDataset),
)
async def add_pictures(
    dataset: ExistingDataset, request: Request, resources: ResourcesOf, links: LinksOf
) -> DatasetSent:
    """Send more files for a data set: pictures, or captions of pictures that it has, which replace those before."""
    async with sent(request, MORE, resources.settings.max_dataset_bytes) as sending:
        judge = judge_of(sending, dataset, resources)
        changed = await resources.datasets.add(dataset.id, judge.pictures(), judge.edited)
    return DatasetSent.sent(changed, judge.problems, links)


@router.patch(
    "/{dataset_id}/pictures/{index}",
    response_description="The data set after that.",
    responses=documented(
        InvalidRequest,
        LimitExceeded,
        MalformedJSON,
        UnsupportedMediaType,
        BodyTooLarge,
        UnknownDataset,
        StoreUnavailable,
    ),
)
async def change_caption(
    dataset_id: DatasetId, index: PictureIndex, asked: CaptionAsked, resources: ResourcesOf, links: LinksOf
) -> DatasetShown:
    """Give a picture another caption. Fine-tunes that were admitted before keep the one that they saw."""
    bounds, caption = Bounds.of(resources.settings), asked.caption.strip()

    def edited(dataset: Dataset) -> Dataset:
        return bounds.check(dataset.with_caption(index, caption))

    return DatasetShown.of(await resources.datasets.change(dataset_id, edited), links)


@router.delete(
    "/{dataset_id}/pictures/{index}",
    response_description="The data set after that.",
    responses=documented(InvalidRequest, UnknownDataset, DatasetInUse, StoreUnavailable, ArtifactStoreUnavailable),
)
async def delete_picture(
    dataset_id: DatasetId, index: PictureIndex, resources: ResourcesOf, links: LinksOf
) -> DatasetShown:
    """Remove a picture, unless a fine-tune that has not ended learns from it."""
    return DatasetShown.of(await resources.datasets.remove_picture(dataset_id, index), links)


@router.head(
    "/{dataset_id}/pictures/{index}/content",
    response_class=Response,
    responses=HEAD_ANSWERS | documented(InvalidRequest, UnknownDataset, StoreUnavailable, ArtifactStoreUnavailable),
    summary="Read the headers of a picture's bytes",
)
@router.get(
    "/{dataset_id}/pictures/{index}/content",
    response_class=Response,
    responses=documented_bytes("image/png")
    | documented(InvalidRequest, UnknownDataset, RangeNotSatisfiable, StoreUnavailable, ArtifactStoreUnavailable),
)
async def read_picture(
    dataset: ExistingDataset, index: PictureIndex, asked: ConditionsOf, resources: ResourcesOf
) -> Response:
    """Read a picture's bytes as they are kept, or a range of them."""
    picture = PictureBytes.of(dataset.picture(index), dataset.id)
    try:
        return await serve(picture, f"{dataset.id}_{index}.png", asked, resources.artifacts)
    except UnknownArtifact as error:
        raise UnknownDataset("The bytes of this picture are gone.") from error


@router.delete(
    "/{dataset_id}",
    status_code=204,
    response_description="The data set is gone.",
    responses=documented(UnknownDataset, DatasetInUse, StoreUnavailable, ArtifactStoreUnavailable),
)
async def delete_dataset(dataset_id: DatasetId, resources: ResourcesOf) -> None:
    """Remove a data set, unless a fine-tune that has not ended learns from it. What was learned stays."""
    await resources.datasets.remove(dataset_id)
