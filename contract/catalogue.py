"""The models and classifiers that this service offers: reads `models.toml` and completes requests from it."""

import secrets
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeVar

from pydantic import Field, ValidationError, model_validator

from contract import prompt_syntax
from contract.adapter_specs import AdapterSpec, check_adapters
from contract.adapters import named
from contract.canvas_sizes import Allowed
from contract.classifier_specs import CheckerSpec, ClassifierSpec
from contract.costs import pixel_steps
from contract.edit_support import Capabilities, TrainedFor, check_scheduler, edited
from contract.editing import Size
from contract.errors import (
    CatalogueInvalid,
    LimitExceeded,
    UnknownClassifier,
    UnknownModel,
    UnsupportedClassifier,
    UnsupportedPromptSyntax,
    UnsupportedScheduler,
)
from contract.guidance import ByClassifier, Universal, short_form
from contract.guidance_limits import check_guidance
from contract.intervention_limits import intervened
from contract.maps import MapSpec
from contract.request import MAX_SEED, SCHEDULERS, CompleteRequest, GenerationRequest, Scheduler
from contract.rows import HubSource, LocalSource, Row

Family = Literal["stable_diffusion", "stable_diffusion_xl", "stable_diffusion_3", "flux", "diffusers"]
"""How a model's files are laid out; `diffusers` is any layout that has no name here, run whole by its own pipeline."""


ADAPTABLE: tuple[Family, ...] = ("stable_diffusion", "stable_diffusion_xl")
"""Families whose layers adapters are made for."""

NO_SIZES: Mapping[str, Size] = MappingProxyType({})


WEIGHS_WORDS: tuple[Family, ...] = ("stable_diffusion", "stable_diffusion_xl")
"""Families whose network reads nothing of a prompt but states of CLIP and its like, each of one word."""


class PackagedFile(Row):
    """A file inside an installed Python package: its path in the package's folder, and its digest in hex."""

    file: str
    sha256: str


class PackagedWeights(PackagedFile):
    """Text encoder weights that come inside an installed Python package, and its tokenizer, if that does, too."""

    package: str
    tokenizer: PackagedFile | None = None


class Defaults(Row):
    """What a request that leaves these open gets."""

    height: int
    width: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: Scheduler


class Limits(Row):
    """What a request may ask for. `max_cost` bounds pixels × steps × images of one job, `max_fine_tuning_cost` pixels ×
    steps × pictures in each step of one fine-tune, where it is there.
    """

    size_multiple: int
    min_size: int
    max_size: int
    max_num_inference_steps: int
    max_guidance_scale: float
    max_cost: int
    max_fine_tuning_cost: int | None = None


class ModelSpec(Row):
    """One model of the catalogue; `map` is there for those that are trained for maps, `unet` a folder that takes the
    place of the one in `source`.
    """

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
    map: MapSpec | None = None
    unet: LocalSource | None = None
    checker: str | None = None

    @model_validator(mode="after")
    def _offers_its_own_default(self) -> "ModelSpec":
        if self.defaults.scheduler not in self.schedulers:
            raise ValueError("defaults.scheduler is not one of schedulers")
        if (self.trained_for == "maps") != (self.map is not None):
            raise ValueError("map is for rows with trained_for maps, and they need it")
        return self

    def complete(self, request: GenerationRequest, sizes: Mapping[str, Size] = NO_SIZES) -> CompleteRequest:
        """The request with every default and the seed filled in, and held against the limits.

        `sizes` are those of the pictures that its fields name.
        Raises: UnsupportedScheduler, UnsupportedGuidance, GuidanceConflict, LimitExceeded, InvalidRequest,
                UnsupportedPromptSyntax, MalformedPrompt, UnsupportedIntervention, and as
                `contract.edit_support.edited`.
        """
        request = edited(request, sizes, self.capabilities)
        asked = request.model_dump()
        filled = {name: value for name, value in self.defaults.model_dump().items() if asked[name] is None}
        filled |= {"model": self.id, "seed": secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed}
        filled["output_quality"] = request.effective_output_quality()
        if (guidance := request.guidance_listed) is not None:
            filled |= {"guidance": guidance, "guidance_scale": short_form(guidance)}
        complete = CompleteRequest.model_validate(asked | filled)
        self._check(complete)
        check_guidance(request, complete, self.family, self.limits.max_guidance_scale)
        return intervened(complete, self.family, self.limits.max_guidance_scale)

    @property
    def capabilities(self) -> Capabilities:
        """What decides on edits."""
        limits = self.limits
        allowed = Allowed(limits.size_multiple, limits.min_size, limits.max_size)
        return Capabilities(self.id, self.family, self.trained_for, allowed, self.defaults.scheduler)

    def _check(self, request: CompleteRequest) -> None:
        limits = self.limits
        check_scheduler(request, request.scheduler)
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
        cost = pixel_steps(request)
        if cost > limits.max_cost:
            repeated = " × recurrence" if cost > request.height * request.width * request.total_steps else ""
            raise LimitExceeded(
                f"height × width × num_inference_steps × num_images{repeated} is {cost}, and {self.id} allows "
                f"{limits.max_cost}.",
                field="num_images",
            )

    def _check_prompts(self, request: CompleteRequest) -> None:
        if request.prompt_syntax == "plain":
            return
        if self.family not in WEIGHS_WORDS:
            raise UnsupportedPromptSyntax(f"{self.id} reads plain prompts only.", field="prompt_syntax")
        prompt_syntax.parse(request.prompt, field="prompt")
        prompt_syntax.parse(request.negative_prompt, field="negative_prompt")


class Catalogue(Row):
    """All models, classifiers and adapters on offer, in the order of the file."""

    default_model: str
    models: tuple[ModelSpec, ...] = Field(min_length=1)
    classifiers: tuple[ClassifierSpec, ...] = ()
    checkers: tuple[CheckerSpec, ...] = ()
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
    def _classifiers_fit(self) -> "Catalogue":
        if len({spec.id for spec in self.classifiers}) < len(self.classifiers):
            raise ValueError("two classifiers have the same id")
        unknown = {name for spec in self.classifiers for name in spec.models} - {spec.id for spec in self.models}
        if unknown:
            raise ValueError(f"classifiers name models that are not there: {', '.join(sorted(unknown))}")
        return self

    @model_validator(mode="after")
    def _checkers_are_there(self) -> "Catalogue":
        if len({spec.id for spec in self.checkers}) < len(self.checkers):
            raise ValueError("two checkers have the same id")
        if unknown := {spec.checker for spec in self.models if spec.checker} - {spec.id for spec in self.checkers}:
            raise ValueError(f"models name checkers that are not there: {', '.join(sorted(unknown))}")
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

    def including(self, spec: ModelSpec) -> "Catalogue":
        """The catalogue with one more model."""
        return self.model_copy(update={"models": (*self.models, spec)})

    def find(self, model_id: str) -> ModelSpec:
        """The model with this id. Raises: UnknownModel."""
        for spec in self.models:
            if spec.id == model_id:
                return spec
        raise UnknownModel(f"There is no model {model_id!r}; GET /v1/models lists them.", field="model")

    def classifier(self, classifier_id: str, within: str = "") -> ClassifierSpec:
        """The classifier with this id; `within` as in its `check`. Raises: UnknownClassifier."""
        for spec in self.classifiers:
            if spec.id == classifier_id:
                return spec
        raise UnknownClassifier(
            f"There is no classifier {classifier_id!r}; GET /v1/classifiers lists them.", field=f"{within}classifier"
        )

    def checker_of(self, model_id: str) -> CheckerSpec | None:
        """What looks at a model's pictures; None where nothing does. Raises: UnknownModel."""
        wanted = self.find(model_id).checker
        return next((spec for spec in self.checkers if spec.id == wanted), None)

    def resolve(self, request: GenerationRequest, sizes: Mapping[str, Size] = NO_SIZES) -> CompleteRequest:
        """The complete request that will be stored, replayable because its seed is in it.

        Raises: UnknownModel, UnknownAdapter, AdapterMismatch, InvalidRequest, UnknownClassifier, and as
                `ModelSpec.complete` and `ClassifierSpec.check`.
        """
        spec = self.find(self.default_model if request.model is None else request.model)
        complete = spec.complete(request, sizes)
        names = list(named(complete.adapters, complete.control, complete.image_prompt))
        check_adapters(self.adapters, names, spec.id, takes_adapters=spec.family in ADAPTABLE)
        for index, one in enumerate(complete.guidance):
            if isinstance(one, ByClassifier | Universal):
                self._check_classifier(one, complete.model, request.within_guidance(index))
        return complete

    def _check_classifier(self, one: ByClassifier | Universal, model_id: str, within: str) -> None:
        spec = self.classifier(one.classifier, within)
        fitting = "classifier" if spec.kind == "latents" else "universal"
        if one.kind != fitting:
            raise UnsupportedClassifier(
                f"{spec.id} reads {spec.kind}; it is followed by guidance of the kind {fitting}.",
                field=f"{within}classifier",
            )
        spec.check(one.label, model_id, within)


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
            "classifiers": tuple(_anchored(spec, folder) for spec in catalogue.classifiers),
            "adapters": tuple(_anchored(spec, folder) for spec in catalogue.adapters),
            "checkers": tuple(_anchored(spec, folder) for spec in catalogue.checkers),
        }
    )


Sourced = TypeVar("Sourced", ModelSpec, ClassifierSpec, AdapterSpec, CheckerSpec)


def _anchored(spec: Sourced, folder: Path) -> Sourced:
    named = {name: getattr(spec, name, None) for name in ("source", "unet")}
    local = {name: one for name, one in named.items() if isinstance(one, LocalSource)}
    return spec.model_copy(update={name: LocalSource(path=folder / one.path) for name, one in local.items()})


def _at_most(field: str, value: float, limit: float) -> None:
    if value > limit:
        raise LimitExceeded(f"{field} is {value}, and the model allows at most {limit}.", field=field)
