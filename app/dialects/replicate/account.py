"""Whose credentials these are, for clients that try theirs."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from app.auth import caller
from app.callers import Caller
from app.dialects.replicate.route import ReplicateRoute

router = APIRouter(prefix="/v1/account", tags=["replicate"], route_class=ReplicateRoute)


class AccountShown(BaseModel):
    """Who a client is to this service."""

    type: Literal["user", "organization"] = Field(description="Always `user`.", examples=["user"])
    username: str = Field(
        description="The tenant whose jobs and files a client sees; `public` while there are no keys.",
        examples=["public"],
    )
    name: str = Field(description="The same.", examples=["public"])
    github_url: None = Field(default=None, description="Always null.", examples=[None])


@router.get("", response_description="The account.", responses=ReplicateRoute.documented())
async def read_account(caller: Annotated[Caller, Depends(caller)]) -> AccountShown:
    """Read whose credentials these are."""
    return AccountShown(type="user", username=caller.tenant, name=caller.tenant)
