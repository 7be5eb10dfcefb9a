"""Datasets: pictures with captions that a tenant teaches a model from."""

from pydantic import BaseModel, ConfigDict


class DatasetPicture(BaseModel):
    """One picture of a dataset, by the digest of its bytes; `target_sha256` is that of the map that belongs to it."""

    model_config = ConfigDict(frozen=True)

    file_name: str
    caption: str
    width: int
    height: int
    sha256: str
    target_sha256: str | None = None
