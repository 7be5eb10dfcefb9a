"""Data sets to learn from: what a picture of one is, and what edits make of a whole one."""

import secrets
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from contract.errors import UnknownDataset
from contract.file_content import FileContent
from contract.tenants import PUBLIC

MAX_CAPTION_LENGTH = 2000
"""Characters; models read some hundred of them."""


class DatasetPicture(BaseModel):
    """One picture, as a PNG. `index` is its number in the data set, never given twice; `place` names its bytes.

    The digests are of the PNGs that are kept; the target is the map that the picture shall become, of the same size.
    Units: width and height in pixels; `size_bytes` of the picture, `target_bytes` of its target.
    """

    model_config = ConfigDict(frozen=True)

    index: int
    place: str
    file_name: str
    caption: str
    width: int
    height: int
    sha256: str
    size_bytes: int
    target_sha256: str | None = None
    target_bytes: int = 0


class DatasetSummary(BaseModel):
    """What is listed of a data set: it says as much of one picture as of a thousand."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    num_pictures: int
    size_bytes: int
    digest: str
    created_at: datetime


class Dataset(BaseModel):
    """One data set. `version` changes with every edit; no picture has ever had an index of `next_index` or more."""

    model_config = ConfigDict(frozen=True)

    id: str
    tenant: str = PUBLIC
    name: str
    pictures: tuple[DatasetPicture, ...]
    created_at: datetime
    version: str
    next_index: int

    @property
    def digest(self) -> str:
        """What there is to learn: the digest of all pictures, targets and captions, whatever their order and names."""
        parts = (f"{one.sha256} {one.target_sha256} {_digest(one.caption.encode())}\n" for one in self.pictures)
        return _digest("".join(sorted(parts)).encode())

    @property
    def size_bytes(self) -> int:
        """The bytes that are kept."""
        return sum(picture.size_bytes + picture.target_bytes for picture in self.pictures)

    @property
    def pixels(self) -> int:
        """The pixels of all pictures, targets not counted."""
        return sum(picture.width * picture.height for picture in self.pictures)

    @property
    def summary(self) -> DatasetSummary:
        """What is listed of it."""
        return DatasetSummary(
            id=self.id,
            name=self.name,
            num_pictures=len(self.pictures),
            size_bytes=self.size_bytes,
            digest=self.digest,
            created_at=self.created_at,
        )

    def picture(self, index: int) -> DatasetPicture:
        """The picture of this number. Raises: UnknownDataset."""
        for picture in self.pictures:
            if picture.index == index:
                return picture
        raise UnknownDataset(f"The data set {self.id!r} has no picture {index}.")

    def with_caption(self, index: int, caption: str) -> "Dataset":
        """The same with another caption. Raises: UnknownDataset."""
        changed = self.picture(index).model_copy(update={"caption": caption})
        kept = tuple(changed if picture.index == index else picture for picture in self.pictures)
        return self.model_copy(update={"pictures": kept})

    def without(self, index: int) -> "Dataset":
        """The same less one picture. Raises: UnknownDataset."""
        leaving = self.picture(index)
        return self.model_copy(update={"pictures": tuple(one for one in self.pictures if one is not leaving)})

    def with_pictures(self, pictures: Sequence[DatasetPicture]) -> "Dataset":
        """The same and these, which get their numbers here."""
        numbered = (one.model_copy(update={"index": at}) for at, one in enumerate(pictures, self.next_index))
        return self.model_copy(
            update={"pictures": (*self.pictures, *numbered), "next_index": self.next_index + len(pictures)}
        )


class NewPicture(NamedTuple):
    """A picture that was judged and is not kept yet."""

    file_name: str
    caption: str
    content: FileContent
    target: FileContent | None = None

    @property
    def described(self) -> DatasetPicture:
        """What will be known of it, with a fresh place for its bytes, and without a number."""
        content, target = self.content, self.target
        return DatasetPicture(
            index=-1,
            place=secrets.token_hex(8),
            file_name=self.file_name,
            caption=self.caption,
            width=content.width,
            height=content.height,
            sha256=_digest(content.content),
            size_bytes=len(content.content),
            target_sha256=None if target is None else _digest(target.content),
            target_bytes=0 if target is None else len(target.content),
        )


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
