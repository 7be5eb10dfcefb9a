"""Which page of a list is asked for."""

from pydantic import BaseModel, ConfigDict, Field


class PageAsked(BaseModel):
    """A page, in a query."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=20, ge=1, le=100, description="At most this many.", examples=[20])
    cursor: str | None = Field(
        default=None, pattern=r"^[0-9]{1,15}$", description="The `next_cursor` of the page before.", examples=["41"]
    )

    @property
    def after(self) -> int | None:
        """Where the page before has ended; None for the first."""
        return None if self.cursor is None else int(self.cursor)
