"""Whose credentials these are, for clients that try theirs."""

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.dialects.replicate.route import ReplicateRoute

router = APIRouter(prefix="/v1/account", tags=["replicate"], route_class=ReplicateRoute)


class AccountShown(BaseModel):
    """Who a client is to this service."""

    type: Literal["user", "organization"] = Field(description="Always `user`.", examples=["user"])
    username: str = Field(description="Who it is.", examples=["anonymous"])
    name: str = Field(description="The same.", examples=["anonymous"])
    github_url: None = Field(default=None, description="Always null.", examples=[None])


@router.get("", response_description="The account.", responses=ReplicateRoute.documented())
async def read_account() -> AccountShown:
    """Read whose credentials these are."""
    return AccountShown(type="user", username="anonymous", name="anonymous")
