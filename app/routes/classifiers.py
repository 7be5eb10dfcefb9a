"""The classifiers that guidance may follow, in the shape in which models are listed."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from app.dependencies import ResourcesOf
from app.error_responses import documented
from app.model_responses import Offered
from contract.classifier_specs import ClassifierSpec
from contract.errors import UnknownClassifier

router = APIRouter(prefix="/v1/classifiers", tags=["models"])


class ClassifierShown(Offered):
    """One classifier on offer."""

    id: str = Field(description="The name to ask for it.", examples=["emoji-groups"])
    object: Literal["classifier"] = Field(default="classifier", description="What this is.", examples=["classifier"])
    kind: Literal["latents", "pixels"] = Field(
        description="What it looks at: noisy latents, at little cost, or the decoded estimate of the picture.",
        examples=["latents"],
    )
    models: list[str] = Field(
        description="The models whose latents it reads; empty where it looks at pictures, whatever made them.",
        examples=[["safelight-emoji"]],
    )
    labels: list[str] = Field(description="What it can tell apart.", examples=[["animals", "plants"]])

    @classmethod
    def of(cls, spec: ClassifierSpec) -> "ClassifierShown":
        """A row of the catalogue, without where its files are."""
        return cls.model_validate(spec.model_dump(exclude={"source", "sha256"}))


class ClassifierList(BaseModel):
    """All classifiers on offer."""

    object: Literal["list"] = Field(default="list", description="What this is.", examples=["list"])
    data: list[ClassifierShown] = Field(description="The classifiers, the catalogue's first one first.", examples=[[]])

    @classmethod
    def of(cls, specs: Sequence[ClassifierSpec]) -> "ClassifierList":
        """Rows of the catalogue."""
        return cls(data=[ClassifierShown.of(spec) for spec in specs])


@router.get("", response_description="All classifiers.")
async def list_classifiers(resources: ResourcesOf) -> ClassifierList:
    """List the classifiers that guidance may follow, with their labels."""
    return ClassifierList.of(resources.catalogue.classifiers)


@router.get("/{classifier_id:path}", response_description="The classifier.", responses=documented(UnknownClassifier))
async def read_classifier(
    classifier_id: Annotated[str, Path(description="The classifier's id.", examples=["emoji-groups"])],
    resources: ResourcesOf,
) -> ClassifierShown:
    """Read which labels one classifier offers, and for which models."""
    return ClassifierShown.of(resources.catalogue.classifier(classifier_id))
