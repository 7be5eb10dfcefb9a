"""The adapters that a request may name, in the shape in which models are listed."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.model_responses import Offered
from contract.adapter_specs import AdapterSpec, find_adapter
from contract.adapters import AdapterKind
from contract.errors import UnknownAdapter

router = APIRouter(prefix="/v1/adapters", tags=["models"])


class AdapterShown(Offered):
    """One adapter on offer."""

    id: str = Field(description="The name to ask for it.", examples=["gilded"])
    object: Literal["adapter"] = Field(default="adapter", description="What this is.", examples=["adapter"])
    kind: AdapterKind = Field(
        description="Where a request names it: `lora` and `textual_inversion` in `adapters`, `controlnet` in "
        "`control`, `ip_adapter` in `image_prompt`.",
        examples=["lora"],
    )
    models: list[str] = Field(description="The models that it fits.", examples=[["safelight-emoji"]])

    @classmethod
    def of(cls, spec: AdapterSpec) -> "AdapterShown":
        """A row of the catalogue, without where its files are."""
        return cls.model_validate(spec.model_dump(exclude={"source", "file", "image_encoder"}))


class AdapterList(BaseModel):
    """All adapters on offer."""

    object: Literal["list"] = Field(default="list", description="What this is.", examples=["list"])
    data: list[AdapterShown] = Field(description="The adapters, the catalogue's first one first.", examples=[[]])

    @classmethod
    def of(cls, specs: Sequence[AdapterSpec]) -> "AdapterList":
        """Rows of the catalogue."""
        return cls(data=[AdapterShown.of(spec) for spec in specs])


@router.get("", response_description="All adapters.")
async def list_adapters(resources: ResourcesOf) -> AdapterList:
    """List the adapters on offer, with the models that they fit."""
    return AdapterList.of(resources.catalogue.adapters)


@router.get("/{adapter_id:path}", response_description="The adapter.", responses=documented(UnknownAdapter))
async def read_adapter(
    adapter_id: Annotated[str, Path(description="The adapter's id.", examples=["gilded"])], resources: ResourcesOf
) -> AdapterShown:
    """Read which models one adapter fits, and where a request names it."""
    return AdapterShown.of(find_adapter(resources.catalogue.adapters, adapter_id, "adapter_id"))
