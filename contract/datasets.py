"""TEMPORARY."""
from pydantic import BaseModel
class DatasetPicture(BaseModel):
    file_name: str
    caption: str
    width: int
    height: int
    sha256: str
    target_sha256: str | None = None
