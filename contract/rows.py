"""What the tables of `models.toml` have in common: no unknown entries, and where files come from."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    """A table of `models.toml`: unknown entries are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalSource(Row):
    """A diffusers folder on this machine; a relative path starts at the catalogue's own folder."""

    path: Path


class HubSource(Row):
    """A repository of the model hub, pinned to one commit."""

    hub: str
    revision: str = Field(min_length=7)
