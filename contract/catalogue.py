"""The models that this service offers: reads `models.toml` and completes requests from it."""

import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract.canvas_sizes import Allowed, Asked, canvas_size, check_sizes
from contract.edit_support import (
    TrainedFor,
    check_prompt,
    check_scheduler,
    check_support,
    default_guidance_scale,
    defaults,
)
from contract.editing import Size
from contract.errors import CatalogueInvalid, LimitExceeded, UnknownModel, UnsupportedScheduler
from contract.request import MAX_SEED, SCHEDULERS, CompleteRequest, GenerationRequest, Scheduler

Family = Literal["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "flux", "diffusers"]
"""How a model's files are laid out; `diffusers` is any layout that has no name here, run whole by its own pipeline."""


NO_SIZES: Mapping[str, Size] = MappingProxyType({})


class Row(BaseModel):
    """A table of `models.toml`: unknown entries are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class LocalSource(Row):
    """A diffusers folder on this machine; a relative path starts at the catalogue's own folder."""

    path: Path


class HubSource(Row):
    """A repository of the model hub, pinned to one commit."""

    hub: str
    revision: str = Field(min_length=7)


class PackagedWeights(Row):
    """Text encoder weights that come inside an installed Python package, checked against their digest.

    `file` is relative to the package's folder; `sha256` is the hex digest of the file.
    """

    package: str
    file: str
    sha256: str


class Defaults(Row):
    """What a request that leaves these open gets."""

    height: int
    width: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: Scheduler


class Limits(Row):
    """What a request may ask for. `max_cost` bounds pixels × steps × images of one job."""

    size_multiple: int
    min_size: int
    max_size: int
    max_num_inference_steps: int
    max_guidance_scale: float
    max_cost: int


class ModelSpec(Row):
    """One model of the catalogue."""

    id: str
    family: Family
    source: LocalSource | HubSource
    text_encoder: PackagedWeights | None = None
    owned_by: str
    licence: str
    created: int
    defaults: Defaults
    limits: Limits
    schedulers: tuple[Scheduler, ...] = SCHEDULERS
    trained_for: TrainedFor = "pictures"

    @model_validator(mode="after")
    def _offers_its_own_default(self) -> "ModelSpec":
        if self.defaults.scheduler not in self.schedulers:
            raise ValueError("defaults.scheduler is not one of schedulers")
        return self

    def complete(self, request: GenerationRequest, sizes: Mapping[str, Size] = NO_SIZES) -> CompleteRequest:
        """The request with every default and the seed filled in, and held against the limits.

        `sizes` are those of the pictures that its fields name.
        Raises: UnsupportedScheduler, UnsupportedEdit, InvalidMask, LimitExceeded, InvalidRequest.
        """
        request = self._edited(request, sizes)
        asked = request.model_dump()
        filled = {name: value for name, value in self.defaults.model_dump().items() if asked[name] is None}
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        complete = CompleteRequest.model_validate(asked | filled | {"model": self.id, "seed": seed})
        self._check(complete)
        return complete

    def _edited(self, request: GenerationRequest, sizes: Mapping[str, Size]) -> GenerationRequest:
        """The request with what follows from the picture that it changes."""
        check_prompt(request.prompt, request)
        request.check_edit()
        check_support(request, self.trained_for, self.family, self.id)
        if "image" not in sizes:
            return request
        check_sizes(sizes)
        limits = self.limits
        allowed = Allowed(limits.size_multiple, limits.min_size, limits.max_size)
        size = canvas_size(request, Asked(request.height, request.width), sizes["image"], allowed)
        filled = defaults(request, self.trained_for, request.scheduler or self.defaults.scheduler)
        if request.guidance_scale is None:
            filled["guidance_scale"] = default_guidance_scale(request.prompt, request)
        return request.model_copy(update=filled | size._asdict())

    def _check(self, request: CompleteRequest) -> None:
        limits = self.limits
        check_scheduler(request, request.scheduler)
        if request.scheduler not in self.schedulers:
            raise UnsupportedScheduler(f"{self.id} offers {', '.join(self.schedulers)}.", field="scheduler")
        for field, size in (("height", request.height), ("width", request.width)):
            if size % limits.size_multiple or not limits.min_size <= size <= limits.max_size:
                raise LimitExceeded(
                    f"{field} must be a multiple of {limits.size_multiple} from {limits.min_size} to "
                    f"{limits.max_size} for {self.id}, and is {size}.",
                    field=field,
                )
        _at_most("num_inference_steps", request.num_inference_steps, limits.max_num_inference_steps)
        _at_most("guidance_scale", request.guidance_scale, limits.max_guidance_scale)
        cost = request.height * request.width * request.total_steps * request.num_resamplings
        if cost > limits.max_cost:
            raise LimitExceeded(
                f"height × width × num_inference_steps × num_images is {cost}, and {self.id} allows {limits.max_cost}.",
                field="num_images",
            )


class Catalogue(Row):
    """All models on offer, in the order of the file."""

    default_model: str
    models: tuple[ModelSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Catalogue":
        ids = [spec.id for spec in self.models]
        if len(set(ids)) < len(ids):
            raise ValueError("two models have the same id")
        if self.default_model not in ids:
            raise ValueError("default_model is not the id of a model")
        return self

    def find(self, model_id: str) -> ModelSpec:
        """The model with this id. Raises: UnknownModel."""
        for spec in self.models:
            if spec.id == model_id:
                return spec
        raise UnknownModel(f"There is no model {model_id!r}; GET /v1/models lists them.", field="model")

    def resolve(self, request: GenerationRequest, sizes: Mapping[str, Size] = NO_SIZES) -> CompleteRequest:
        """The complete request that will be stored, replayable because its seed is in it.

        Raises: UnknownModel, and whatever `ModelSpec.complete` does.
        """
        return self.find(self.default_model if request.model is None else request.model).complete(request, sizes)


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a TOML file, its local paths made absolute. Raises: CatalogueInvalid."""
    try:
        catalogue = Catalogue.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise CatalogueInvalid(f"{path}: {error}") from error
    folder = path.resolve().parent
    return catalogue.model_copy(update={"models": tuple(_anchored(spec, folder) for spec in catalogue.models)})


def _anchored(spec: ModelSpec, folder: Path) -> ModelSpec:
    if isinstance(spec.source, HubSource):
        return spec
    return spec.model_copy(update={"source": LocalSource(path=folder / spec.source.path)})


def _at_most(field: str, value: float, limit: float) -> None:
    if value > limit:
        raise LimitExceeded(f"{field} is {value}, and the model allows at most {limit}.", field=field)
