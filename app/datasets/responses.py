"""The shapes in which data sets are shown to clients."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, Self

from pydantic import BaseModel, Field

from app.datasets.problems import FileProblem
from app.file_responses import SHA256
from app.links import BASE, Links
from app.responses import TIME
from contract.datasets import Dataset, DatasetPicture, DatasetSummary

DATASET_ID = "ds_3f2b8c1d9e7a4f60b5c2d1e0a9f8b7c6"

PICTURE_EXAMPLE = {
    "index": 0,
    "file_name": "cat.png",
    "width": 512,
    "height": 512,
    "caption": "a tabby cat on a wall",
    "sha256": SHA256,
    "has_target": False,
    "url": f"{BASE}/v1/datasets/{DATASET_ID}/pictures/0/content",
}


class DatasetPictureShown(BaseModel):
    """One picture of a data set."""

    index: int = Field(description="Its number, which no other picture of the data set gets.", examples=[0])
    file_name: str = Field(description="The name under which it was sent.", examples=["cat.png"])
    width: int = Field(description="Pixels, of the upright picture.", examples=[512])
    height: int = Field(description="Pixels, of the upright picture.", examples=[512])
    caption: str = Field(description="What is to be seen; empty where nobody has said.", examples=["a tabby cat"])
    sha256: str = Field(description="Hex digest of the PNG that is kept.", examples=[SHA256])
    has_target: bool = Field(
        description="Whether the map that it shall become was sent with it, as `<name>.target.png`.", examples=[False]
    )
    url: str = Field(description="Where its PNG is read.", examples=[PICTURE_EXAMPLE["url"]])

    @classmethod
    def of(cls, picture: DatasetPicture, dataset_id: str, links: Links) -> Self:
        """A kept picture."""
        return cls(
            **picture.model_dump(include={"index", "file_name", "width", "height", "caption", "sha256"}),
            has_target=picture.target_sha256 is not None,
            url=links.dataset_picture(dataset_id, picture.index),
        )


class DatasetListed(BaseModel):
    """A data set, less its pictures."""

    id: str = Field(description="The id by which fine-tunes name it.", examples=[DATASET_ID])
    object: Literal["dataset"] = Field(default="dataset", description="What this is.", examples=["dataset"])
    name: str = Field(description="What its sender calls it.", examples=["my cat"])
    num_pictures: int = Field(description="How many pictures it has.", examples=[8])
    size_bytes: int = Field(description="How many bytes are kept, targets among them.", examples=[401923])
    digest: str = Field(
        description="Hex digest of all pictures, targets and captions, whatever their order and names.",
        examples=[SHA256],
    )
    created_at: datetime = Field(description="When it was made.", examples=[TIME])

    @classmethod
    def listed(cls, summary: DatasetSummary) -> "DatasetListed":
        """A kept data set."""
        return cls(**summary.model_dump())


class DatasetShown(DatasetListed):
    """A data set."""

    pictures: list[DatasetPictureShown] = Field(
        description="Its pictures, in their order.", examples=[[PICTURE_EXAMPLE]]
    )

    @classmethod
    def of(cls, dataset: Dataset, links: Links) -> Self:
        """A kept data set."""
        pictures = [DatasetPictureShown.of(picture, dataset.id, links) for picture in dataset.pictures]
        return cls(**dataset.summary.model_dump(), pictures=pictures)


class DatasetSent(DatasetShown):
    """A data set after files were sent, and what was wrong with some of them."""

    problems: list[FileProblem] = Field(
        default_factory=list,
        description="What was wrong with single files. A picture that is to blame was left out; one that has no "
        "caption, or no good target, was kept without.",
        examples=[[{"file_name": "cat.png", "code": "no_caption", "message": "There is no caption of this picture."}]],
    )

    @classmethod
    def sent(cls, dataset: Dataset, problems: list[FileProblem], links: Links) -> Self:
        """A data set after a call."""
        return cls(**DatasetShown.of(dataset, links).model_dump(), problems=problems)


class DatasetPage(BaseModel):
    """Data sets, newest first."""

    data: list[DatasetListed] = Field(description="The data sets of this page.", examples=[[]])
    next_cursor: str | None = Field(
        description="Pass it as `cursor` for the next page; null on the last one.", examples=["41"]
    )

    @classmethod
    def of(cls, summaries: Sequence[DatasetSummary], following: int | None) -> "DatasetPage":
        """One page of the store."""
        listed = [DatasetListed.listed(summary) for summary in summaries]
        return cls(data=listed, next_cursor=None if following is None else str(following))
