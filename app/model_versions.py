"""What a version of a model is: its row of the catalogue as it stands; and what it takes, as a schema for forms.

Replicate's clients name models by owner and name, and ask each for its versions. Here each has one.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from contract.catalogue import Catalogue, ModelSpec
from contract.errors import UnknownModel
from contract.request import GenerationRequest
from contract.rows import LocalSource

NO_COG = "none"
"""Clients take the outputs of models of early versions of Cog, or of anything that looks like one, for iterators."""

BASE = "http://127.0.0.1:8000"
VERSION_ID = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"

SCHEMA = GenerationRequest.model_json_schema(ref_template="#/components/schemas/{model}")


class VersionShown(BaseModel):
    """One version of a model: what it takes and gives."""

    id: str = Field(
        description="The digest of the model's row of the catalogue; another row is another version.",
        examples=[VERSION_ID],
    )
    created_at: datetime = Field(description="When the model was made.", examples=["2026-11-24T00:00:00Z"])
    cog_version: Literal["none"] = Field(
        default="none", description="Always this: no model here is made with Cog.", examples=["none"]
    )
    openapi_schema: dict[str, Any] = Field(
        description="An OpenAPI document whose schemas `Input` and `Output` say what the model takes and gives.",
        examples=[{"openapi": "3.1.0", "components": {"schemas": {"Input": {}, "Output": {}}}}],
    )

    @classmethod
    def of(cls, spec: ModelSpec) -> "VersionShown":
        """The version of a row."""
        return cls(
            id=version_id(spec), created_at=datetime.fromtimestamp(spec.created, UTC), openapi_schema=schema_of(spec)
        )


class Published(BaseModel):
    """A model as Replicate's clients know models."""

    url: str = Field(description="Where the model is read.", examples=[f"{BASE}/v1/models/safelight-emoji"])
    owner: str = Field(description="The part before the slash in the model's name.", examples=["safelight"])
    name: str = Field(description="The part behind the slash.", examples=["safelight-emoji"])
    description: str | None = Field(default=None, description="Always null.", examples=[None])
    visibility: Literal["public"] = Field(default="public", description="Always this.", examples=["public"])
    github_url: str | None = Field(default=None, description="Always null.", examples=[None])
    paper_url: str | None = Field(default=None, description="Always null.", examples=[None])
    license_url: str | None = Field(
        default=None, description="Always null; `licence` says which it is.", examples=[None]
    )
    run_count: Literal[0] = Field(default=0, description="Always 0: runs are not counted by model.", examples=[0])
    cover_image_url: str | None = Field(default=None, description="Always null.", examples=[None])
    default_example: None = Field(default=None, description="Always null.", examples=[None])
    latest_version: VersionShown | None = Field(
        default=None, description="Its only version; null in lists, where it would be long.", examples=[None]
    )


def published(spec: ModelSpec, base: str, version: VersionShown | None = None) -> Published:
    """A row of the catalogue, for a client that reached this API under `base`."""
    owner, name = owner_and_name(spec)
    return Published(url=f"{base}/v1/models/{spec.id}", owner=owner, name=name, latest_version=version)


def owner_and_name(spec: ModelSpec) -> tuple[str, str]:
    """The two parts of the model's name: of its id, where that has a slash; else who made it, and its id."""
    owner, slash, name = spec.id.partition("/")
    return (owner, name) if slash else (spec.owned_by, spec.id)


OPTIONAL = ("checker", "map", "unet")
"""Entries that rows of older versions had not: where they say nothing, digests are what they were."""


def version_id(spec: ModelSpec) -> str:
    """The digest of a row; where a local folder lies is no part of it."""
    row = spec.model_dump(mode="json", exclude={name for name in OPTIONAL if getattr(spec, name) is None})
    if isinstance(spec.source, LocalSource):
        row["source"] = spec.source.path.name
    if spec.unet is not None:
        row["unet"] = spec.unet.path.name
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()


def find_model(catalogue: Catalogue, reference: str, *, field: str) -> ModelSpec:
    """The model with this id, `owner/name`, version, or both with a colon between. Raises: UnknownModel."""
    by_id = [spec for spec in catalogue.models if spec.id == reference]
    for spec in by_id or [spec for spec in catalogue.models if reference in _names(spec)]:
        return spec
    raise UnknownModel(f"There is no model {reference!r}; GET /v1/models lists them.", field=field)


def schema_of(spec: ModelSpec) -> dict[str, Any]:
    """What a model takes, with its own defaults and limits, and what it gives."""
    own = _own_properties(spec)
    properties = {
        name: shape | own.get(name, {}) | {"x-order": place}
        for place, (name, shape) in enumerate(SCHEMA["properties"].items())
        if name != "model"
    }
    for name in own:
        properties[name].pop("anyOf")
    schemas = SCHEMA["$defs"] | {
        "Input": {"title": "Input", "type": "object", "additionalProperties": False, "properties": properties},
        "Output": {"title": "Output", "type": "array", "items": {"type": "string", "format": "uri"}},
    }
    info = {"title": "/".join(owner_and_name(spec)), "version": version_id(spec)}
    return {"openapi": "3.1.0", "info": info, "paths": {}, "components": {"schemas": schemas}}


def _own_properties(spec: ModelSpec) -> dict[str, dict[str, Any]]:
    """The fields that the row says something about, less null: a form needs none where it has a default."""
    limits = spec.limits
    size = {
        "type": "integer", "minimum": limits.min_size, "maximum": limits.max_size, "multipleOf": limits.size_multiple
    }  # fmt: skip
    own: dict[str, dict[str, Any]] = {
        "height": size,
        "width": size,
        "num_inference_steps": {"type": "integer", "minimum": 1, "maximum": limits.max_num_inference_steps},
        "guidance_scale": {"type": "number", "minimum": 0, "maximum": limits.max_guidance_scale},
        "scheduler": {"type": "string", "enum": list(spec.schedulers)},
    }
    return {name: shape | {"default": getattr(spec.defaults, name)} for name, shape in own.items()}


def _names(spec: ModelSpec) -> set[str]:
    full, version = "/".join(owner_and_name(spec)), version_id(spec)
    return {full, version, f"{full}:{version}", f"{spec.id}:{version}"}
