"""The models that this service offers: reads `models.toml` and completes requests from it."""

import secrets
import tomllib
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from contract import prompt_syntax
from contract.adapters import WEIGHTS, AdapterKind, Named, named
from contract.errors import (
    AdapterMismatch,
    CatalogueInvalid,
    InvalidRequest,
    LimitExceeded,
    UnknownAdapter,
    UnknownModel,
    UnsupportedPromptSyntax,
    UnsupportedScheduler,
)
from contract.request import MAX_SEED, SCHEDULERS, CompleteRequest, GenerationRequest, Scheduler

Family = Literal["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "flux", "diffusers"]
"""How a model's files are laid out; `diffusers` is any layout that has no name here, run whole by its own pipeline."""


ADAPTABLE: tuple[Family, ...] = ("stable_diffusion", "stable_diffusion_xl")
"""Families whose layers adapters are made for."""

WEIGHS_WORDS: tuple[Family, ...] = ("stable_diffusion", "stable_diffusion_xl")
"""Families whose network reads nothing of a prompt but states of CLIP and its like, each of one word."""


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

    @model_validator(mode="after")
    def _offers_its_own_default(self) -> "ModelSpec":
        if self.defaults.scheduler not in self.schedulers:
            raise ValueError("defaults.scheduler is not one of schedulers")
        return self

    def complete(self, request: GenerationRequest) -> CompleteRequest:
        """The request with every default and the seed filled in, and held against the limits.

        Raises: UnsupportedScheduler, LimitExceeded, UnsupportedPromptSyntax, MalformedPrompt.
        """
        asked = request.model_dump()
        filled = {name: value for name, value in self.defaults.model_dump().items() if asked[name] is None}
        seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
        complete = CompleteRequest.model_validate(asked | filled | {"model": self.id, "seed": seed})
        self._check(complete)
        return complete

    def _check(self, request: CompleteRequest) -> None:
        limits = self.limits
        if request.scheduler not in self.schedulers:
            raise UnsupportedScheduler(f"{self.id} offers {', '.join(self.schedulers)}.", field="scheduler")
        self._check_prompts(request)
        for field, size in (("height", request.height), ("width", request.width)):
            if size % limits.size_multiple or not limits.min_size <= size <= limits.max_size:
                raise LimitExceeded(
                    f"{field} must be a multiple of {limits.size_multiple} from {limits.min_size} to "
                    f"{limits.max_size} for {self.id}, and is {size}.",
                    field=field,
                )
        _at_most("num_inference_steps", request.num_inference_steps, limits.max_num_inference_steps)
        _at_most("guidance_scale", request.guidance_scale, limits.max_guidance_scale)
        cost = request.height * request.width * request.total_steps
        if cost > limits.max_cost:
            raise LimitExceeded(
                f"height × width × num_inference_steps × num_images is {cost}, and {self.id} allows {limits.max_cost}.",
                field="num_images",
            )

    def _check_prompts(self, request: CompleteRequest) -> None:
        if request.prompt_syntax == "plain":
            return
        if self.family not in WEIGHS_WORDS:
            raise UnsupportedPromptSyntax(f"{self.id} reads plain prompts only.", field="prompt_syntax")
        prompt_syntax.parse(request.prompt, field="prompt")
        prompt_syntax.parse(request.negative_prompt, field="negative_prompt")


class AdapterSpec(Row):
    """One adapter, and the models that it fits.

    `file` is the safetensors file in the source's folder, but for a controlnet, which is a whole diffusers folder;
    `image_encoder` is the folder of what looks at the picture for an ip_adapter, in the same source.
    """

    id: str = Field(pattern="^[A-Za-z0-9][A-Za-z0-9./-]*$")
    kind: AdapterKind
    models: tuple[str, ...] = Field(min_length=1)
    source: LocalSource | HubSource
    file: str | None = None
    image_encoder: str | None = None
    owned_by: str
    licence: str
    created: int

    @model_validator(mode="after")
    def _names_its_files(self) -> "AdapterSpec":
        if (self.file is None) != (self.kind == "controlnet") or (self.image_encoder is None) == (
            self.kind == "ip_adapter"
        ):
            raise ValueError("file is what all kinds have but controlnet, and image_encoder what ip_adapter has")
        return self

    def check(self, model_id: str, name: Named) -> None:
        """Refuses a model that it does not fit, and a field that it does not belong into. Raises: AdapterMismatch."""
        if self.kind not in name.kinds:
            message = f"{self.id} is of kind {self.kind}, and this field is for {' or '.join(name.kinds)}."
            raise AdapterMismatch(message, field=name.field)
        if model_id not in self.models:
            raise AdapterMismatch(f"{self.id} fits {', '.join(self.models)}, and not {model_id}.", field=name.field)


class Catalogue(Row):
    """All models and adapters on offer, in the order of the file."""

    default_model: str
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    adapters: tuple[AdapterSpec, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Catalogue":
        ids = [spec.id for spec in self.models]
        if len(set(ids)) < len(ids):
            raise ValueError("two models have the same id")
        if self.default_model not in ids:
            raise ValueError("default_model is not the id of a model")
        return self

    @model_validator(mode="after")
    def _adapters_fit(self) -> "Catalogue":
        if len({spec.id for spec in self.adapters}) < len(self.adapters):
            raise ValueError("two adapters have the same id")
        adaptable = {spec.id for spec in self.models if spec.family in ADAPTABLE}
        unfit = {name for spec in self.adapters for name in spec.models} - adaptable
        if unfit:
            raise ValueError(f"adapters name models that are not there or take none: {', '.join(sorted(unfit))}")
        return self

    def find(self, model_id: str) -> ModelSpec:
        """The model with this id. Raises: UnknownModel."""
        for spec in self.models:
            if spec.id == model_id:
                return spec
        raise UnknownModel(f"There is no model {model_id!r}; GET /v1/models lists them.", field="model")

    def resolve(self, request: GenerationRequest) -> CompleteRequest:
        """The complete request that will be stored, replayable because its seed is in it.

        Raises: UnknownModel, UnknownAdapter, AdapterMismatch, and as `ModelSpec.complete`.
        """
        spec = self.find(self.default_model if request.model is None else request.model)
        complete = spec.complete(request)
        self._check_adapters(complete, spec)
        return complete

    def adapter(self, adapter_id: str, field: str | None = None) -> AdapterSpec:
        """The adapter with this id; `field` is where the request names it. Raises: UnknownAdapter."""
        for spec in self.adapters:
            if spec.id == adapter_id:
                return spec
        raise UnknownAdapter(f"There is no adapter {adapter_id!r}; GET /v1/adapters lists them.", field=field)

    def _check_adapters(self, request: CompleteRequest, spec: ModelSpec) -> None:
        seen: set[tuple[str, tuple[str, ...]]] = set()
        for name in named(request.adapters, request.control, request.image_prompt):
            if name.kinds == WEIGHTS and (name.id, name.kinds) in seen:
                raise InvalidRequest(f"{name.id} is there already.", field=name.field)
            seen.add((name.id, name.kinds))
            if spec.family not in ADAPTABLE:
                raise AdapterMismatch(f"{spec.id} is of a family that takes no adapters.", field=name.field)
            if not name.is_file:
                self.adapter(name.id, name.field).check(spec.id, name)


def read_catalogue(path: Path) -> Catalogue:
    """The catalogue in a TOML file, its local paths made absolute. Raises: CatalogueInvalid."""
    try:
        catalogue = Catalogue.model_validate(tomllib.loads(path.read_text()))
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise CatalogueInvalid(f"{path}: {error}") from error
    folder = path.resolve().parent
    return catalogue.model_copy(
        update={
            "models": tuple(_anchored(spec, folder) for spec in catalogue.models),
            "adapters": tuple(_anchored(spec, folder) for spec in catalogue.adapters),
        }
    )


Sourced = TypeVar("Sourced", ModelSpec, AdapterSpec)


def _anchored(spec: Sourced, folder: Path) -> Sourced:
    if isinstance(spec.source, HubSource):
        return spec
    return spec.model_copy(update={"source": LocalSource(path=folder / spec.source.path)})


def _at_most(field: str, value: float, limit: float) -> None:
    if value > limit:
        raise LimitExceeded(f"{field} is {value}, and the model allows at most {limit}.", field=field)
