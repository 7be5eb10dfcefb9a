"""Maps of pictures: what they may show, and what a row of the catalogue says of a model that makes them."""

from typing import Literal

from pydantic import Field

from contract.rows import Row

Task = Literal["depth", "normals", "edges", "segmentation"]
"""How far away each pixel is, which way its surface faces, whether something ends there, and what it belongs to."""

Beginning = Literal["zeros", "noise"]


class MapSpec(Row):
    """What the maps show, and from which latents they are made: `zeros` for models that were taught end to end."""

    task: Task = Field(description="What the maps show.", examples=["depth"])
    begins_at: Beginning = Field(
        description="What they are made from: `zeros` has one answer, `noise` as many as seeds.", examples=["zeros"]
    )
