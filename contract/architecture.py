"""What models are made of, block by block, as workers have measured them; and where that is remembered."""

import hashlib
from collections.abc import Collection, Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contract.store_connection import StoreConnection, unavailable_when_unreachable

PartName = Literal["text_encoder", "text_encoder_2", "text_encoder_3", "denoiser", "autoencoder", "other"]

SHAPE = "without the batch's own dimension"

BLOCK = {
    "name": "mid_block",
    "kind": "UNetMidBlock2DCrossAttn",
    "num_parameters": 2761216,
    "flops": 93585408,
    "output_shape": [384, 4, 4],
    "can_skip": True,
    "blocks": [],
}


class Block(BaseModel):
    """A module of a network, and those within it."""

    model_config = ConfigDict(frozen=True)

    name: str = Field(description="Its dotted path within its part.", examples=["down_blocks.0.attentions.0"])
    kind: str = Field(description="Its class, in diffusers or transformers.", examples=["Transformer2DModel"])
    num_parameters: int = Field(description="Numbers that were learnt.", examples=[2761216])
    flops: int | None = Field(
        description="Operations of one call, a multiplication and an addition being two; null where it was not run.",
        examples=[93585408],
    )
    output_shape: tuple[int, ...] | None = Field(
        description=f"Of the first tensor that it returns, {SHAPE}: channels, height and width, or tokens and width; "
        "null where it was not run.",
        examples=[[384, 4, 4]],
    )
    can_skip: bool = Field(
        description="Whether `skip_block` of `intervene` may leave it out: what comes in has the shape of what goes "
        "out.",
        examples=[True],
    )
    blocks: tuple["Block", ...] = Field(description="The modules within it, in their order.", examples=[[]])

    @property
    def with_all_within(self) -> Iterator["Block"]:
        """Itself, and every block below it."""
        yield self
        for block in self.blocks:
            yield from block.with_all_within


class Part(BaseModel):
    """One network of a model."""

    model_config = ConfigDict(frozen=True)

    name: PartName = Field(
        description="What it does; a model may have several text encoders, and `other` parts.", examples=["denoiser"]
    )
    class_name: str = Field(description="Its class.", examples=["UNet2DConditionModel"])
    num_parameters: int = Field(description="Numbers that were learnt.", examples=[10921956])
    flops: int | None = Field(
        description="Operations for one prompt, for one row of one denoising step, or for one picture into latents "
        "and back; null where nobody knows how to run it alone.",
        examples=[1873412096],
    )
    input: dict[str, tuple[int, ...]] = Field(
        description=f"The shapes of what it was given, {SHAPE}; empty where it was not run.",
        examples=[{"latents": [4, 16, 16], "prompt_embeds": [77, 384]}],
    )
    output: tuple[int, ...] | None = Field(
        description=f"The shape of what it returned, {SHAPE}; null where it was not run.", examples=[[4, 16, 16]]
    )
    blocks: tuple[Block, ...] = Field(description="Its modules, in their order.", examples=[[BLOCK]])

    @property
    def all_blocks(self) -> Iterator[Block]:
        """Every block, whatever it lies in."""
        for block in self.blocks:
            yield from block.with_all_within


class Architecture(BaseModel):
    """A model's networks, measured at its default size."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(description="The model's id.", examples=["safelight-emoji"])
    family: str = Field(description="Its kind of pipeline.", examples=["stable_diffusion"])
    height: int = Field(description="Pixels.", examples=[128])
    width: int = Field(description="Pixels.", examples=[128])
    parts: tuple[Part, ...] = Field(
        description="Its networks, in the order in which a prompt meets them.",
        examples=[
            [
                {
                    "name": "denoiser",
                    "class_name": "UNet2DConditionModel",
                    "num_parameters": 10921956,
                    "flops": 1873412096,
                    "input": {"latents": [4, 16, 16], "prompt_embeds": [77, 384]},
                    "output": [4, 16, 16],
                    "blocks": [BLOCK],
                }
            ]
        ],
    )

    @property
    def blocks_to_skip(self) -> frozenset[str]:
        """The blocks that `skip_block` may name."""
        denoiser = self.part("denoiser")
        return frozenset() if denoiser is None else frozenset(one.name for one in denoiser.all_blocks if one.can_skip)

    def part(self, name: PartName) -> Part | None:
        """The part that does this, if it has one."""
        return next((part for part in self.parts if part.name == name), None)


class Architectures:
    """Promise: what a worker has once said of a model stays, until a worker says otherwise.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._redis = connection.redis

    async def report(self, architectures: Collection[Architecture]) -> None:
        """Says what a worker has measured; what is known already is not sent again."""
        said = {one.model: one.model_dump_json() for one in architectures}
        if not said:
            return
        digests = {model: hashlib.sha256(text.encode()).hexdigest() for model, text in said.items()}
        with unavailable_when_unreachable():
            known = dict(zip(said, await self._redis.hmget(DIGESTS, list(said)), strict=True))
            news = [model for model in said if known[model] != digests[model]]
            for model in news:
                await self._redis.hset(KEY, model, said[model])
                await self._redis.hset(DIGESTS, model, digests[model])

    async def of_model(self, model: str) -> Architecture | None:
        """What is known of a model; None where no worker has had it in memory."""
        with unavailable_when_unreachable():
            said = await self._redis.hget(KEY, model)
        return None if said is None else Architecture.model_validate_json(said)


KEY = "safelight:architectures"
DIGESTS = "safelight:architectures:digests"
