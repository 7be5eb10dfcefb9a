"""What a checker has found in a picture, and what is done about it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SafetyPolicy = Literal["allow", "blur", "refuse"]


class Finding(BaseModel):
    """What a checker says of one picture."""

    model_config = ConfigDict(frozen=True)

    checker: str = Field(description="Which checker has looked.", examples=["nudity"])
    flagged: bool = Field(description="Whether it says that this should not be shown.", examples=[False])
    label: str = Field(description="The label that came nearest to being flagged.", examples=["nude"])
    score: float = Field(
        description="How sure it is of that label: a probability; for diffusers' own checker, how far beyond its "
        "threshold the nearest concept is.",
        examples=[0.0312],
    )
    blurred: bool = Field(default=False, description="Whether the picture was blurred for it.", examples=[False])
