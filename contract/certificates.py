"""What workers have proven of their models: which numbers of rows give the same bytes, and how near the others come."""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contract.store_connection import StoreConnection, unavailable_when_unreachable

Reproducibility = Literal["exact", "tolerance"]


class ModelCertificate(BaseModel):
    """What one worker has measured of one model at one size."""

    model_config = ConfigDict(frozen=True)

    model: str = Field(description="The model's id.", examples=["safelight-emoji"])
    height: int = Field(description="Pixels.", examples=[128])
    width: int = Field(description="Pixels.", examples=[128])
    device: str = Field(description="What it was measured on.", examples=["cpu"])
    dtype: str = Field(description="The number format of the network.", examples=["float32"])
    text_dtype: str = Field(description="The number format of the text encoders.", examples=["float32"])
    vae_dtype: str = Field(description="The number format of the autoencoder.", examples=["float32"])
    num_threads: int = Field(description="CPU threads of one forward.", examples=[2])
    layout: str = Field(description="How tensors lie in memory.", examples=["contiguous"])
    compiled: bool = Field(description="Whether the network is compiled.", examples=[False])
    torch: str = Field(description="The version of PyTorch.", examples=["2.13.0"])
    buckets: tuple[int, ...] = Field(
        description="Numbers of rows of a forward that give the same bytes.", examples=[[2, 4, 8]]
    )
    row_cap: int = Field(description="The most rows of a forward.", examples=[8])
    reproducibility: Reproducibility = Field(
        description="`exact`: a picture has the same bytes in any company; `tolerance`: it may differ by `tolerance`.",
        examples=["exact"],
    )
    tolerance: float | None = Field(
        description="The largest difference that was seen, over the largest output; null where it is exact.",
        examples=[None],
    )
    weights_sha256: str = Field(
        default="",
        description="Names the files of the network and the autoencoder, all of them.",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    )
    digest: str = Field(description="Names the measured weights and settings.", examples=["9f86d081884c7d65"])


_LIST = TypeAdapter(list[ModelCertificate])


class Certificates:
    """Promise: a worker's certificates are gone one lease after it has last said them.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection, *, lease_seconds: float) -> None:
        self._redis = connection.redis
        self._lease_seconds = lease_seconds

    async def report(self, worker: str, certificates: Sequence[ModelCertificate]) -> None:
        """Says what a worker has proven, all of it, for the length of a lease."""
        said = _LIST.dump_json(list(certificates))
        with unavailable_when_unreachable():
            await self._redis.set(_key(worker), said, px=int(self._lease_seconds * 1000))

    async def of_model(self, model: str) -> list[ModelCertificate]:
        """What live workers have proven of a model, by size; those that say the same are shown once."""
        with unavailable_when_unreachable():
            workers = sorted(await self._redis.smembers("safelight:workers"))
            said = await self._redis.mget([_key(worker) for worker in workers]) if workers else []
        found = {one for words in said if words for one in _LIST.validate_json(words) if one.model == model}
        return sorted(found, key=lambda one: (one.height * one.width, one.height, one.digest, one.device))


def _key(worker: str) -> str:
    return f"safelight:certificates:{worker}"
