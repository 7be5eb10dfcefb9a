"""How a request to teach is completed: what each method uses, what it takes where nothing is said, what is refused."""

import secrets
from typing import Any, NamedTuple

from contract.catalogue import ModelSpec
from contract.datasets import Dataset
from contract.errors import EmptyDataset, InvalidRequest, LimitExceeded, UnsupportedModel
from contract.fine_tuning import CompleteFineTune, FineTuneRequest, Method
from contract.request import MAX_SEED

USES: dict[str, tuple[Method, ...]] = {
    "trigger": ("lora", "textual_inversion", "dreambooth", "full"),
    "rank": ("lora", "dreambooth"),
    "train_text_encoder": ("lora", "dreambooth"),
    "num_vectors": ("textual_inversion",),
    "caption_dropout": ("lora", "dreambooth", "full"),
    "validation_prompts": ("lora", "textual_inversion", "dreambooth", "full"),
    "prior_preservation": ("dreambooth",),
    "task": ("image_conditional",),
    "objective": ("image_conditional",),
}
"""Which methods use a field, where not all do."""

NEEDS: dict[str, tuple[Method, ...]] = {
    "trigger": ("textual_inversion",),
    "prior_preservation": ("dreambooth",),
    "task": ("image_conditional",),
}
"""Which methods cannot do without a field."""


class Recipe(NamedTuple):
    """What a method takes where the client says nothing."""

    steps: int
    learning_rate: float


RECIPES: dict[Method, Recipe] = {
    "lora": Recipe(steps=250, learning_rate=1e-3),
    "textual_inversion": Recipe(steps=400, learning_rate=5e-3),
    "dreambooth": Recipe(steps=250, learning_rate=1e-3),
    "full": Recipe(steps=400, learning_rate=1e-4),
    "image_conditional": Recipe(steps=300, learning_rate=3e-4),
}

NUM_GRIDS = 8
"""So many sample grids and checkpoints a run makes where the client says nothing."""


class Completed(NamedTuple):
    """A request with nothing left open, and what the client should know of it."""

    request: CompleteFineTune
    warnings: tuple[str, ...]


def complete(asked: FineTuneRequest, spec: ModelSpec, dataset: Dataset) -> Completed:
    """The request that will be stored, replayable because its seed and its pictures are in it.

    Raises: InvalidRequest, LimitExceeded, UnsupportedModel, EmptyDataset, naming the field.
    """
    _check_fields(asked)
    _check_model(spec)
    _check_pictures(asked.method, dataset)
    recipe = RECIPES[asked.method]
    steps = recipe.steps if asked.steps == "auto" else asked.steps
    often = -(-steps // NUM_GRIDS)
    filled: dict[str, Any] = {
        "model": spec.id,
        "steps": steps,
        "learning_rate": recipe.learning_rate if asked.learning_rate is None else asked.learning_rate,
        "resolution": min(spec.defaults.height, spec.defaults.width) if asked.resolution is None else asked.resolution,
        "seed": secrets.randbelow(MAX_SEED + 1) if asked.seed is None else asked.seed,
        "sample_every": asked.sample_every or often,
        "checkpoint_every": asked.checkpoint_every or often,
        "validation_prompts": asked.validation_prompts or _shown(asked, dataset),
        "pictures": dataset.pictures,
        "dataset_digest": dataset.digest,
    }
    request = CompleteFineTune.model_validate(asked.model_dump() | filled)
    _check_limits(request, spec)
    return Completed(request, tuple(_warnings(request)))


def _shown(asked: FineTuneRequest, dataset: Dataset) -> tuple[str, ...]:
    """What the grids show where nothing is said: the trigger, or the first caption."""
    if asked.method not in USES["validation_prompts"]:
        return ()
    return (asked.trigger or dataset.pictures[0].caption,)


def _check_fields(asked: FineTuneRequest) -> None:
    """Refuses what the method makes nothing of, and a method without what it needs. Raises: InvalidRequest."""
    for field, methods in USES.items():
        default = FineTuneRequest.model_fields[field].default
        if asked.method not in methods and getattr(asked, field) != default:
            raise InvalidRequest(f"{asked.method} makes nothing of {field}; leave it out.", field=field)
    for field, methods in NEEDS.items():
        if asked.method in methods and getattr(asked, field) is None:
            raise InvalidRequest(f"{asked.method} needs {field}.", field=field)
    if asked.trigger is not None and asked.trigger.strip() != asked.trigger:
        raise InvalidRequest("trigger begins or ends with a space.", field="trigger")
    if asked.method == "textual_inversion" and asked.trigger is not None and len(asked.trigger.split()) > 1:
        raise InvalidRequest("trigger is one word for textual_inversion, without spaces.", field="trigger")


def _check_model(spec: ModelSpec) -> None:
    """Raises: UnsupportedModel."""
    if spec.family != "stable_diffusion":
        raise UnsupportedModel(f"{spec.id} is of the family {spec.family}, which cannot be taught yet.", field="model")
    if spec.trained_for != "pictures":
        raise UnsupportedModel(f"{spec.id} is trained for {spec.trained_for}, and cannot be taught.", field="model")


def _check_pictures(method: Method, dataset: Dataset) -> None:
    """Raises: EmptyDataset, InvalidRequest."""
    if not dataset.pictures:
        raise EmptyDataset(f"The data set {dataset.id} has no pictures.", field="dataset")
    if method == "image_conditional":
        for picture in dataset.pictures:
            if picture.target_sha256 is None:
                raise InvalidRequest(
                    f"{picture.file_name} has no map; image_conditional needs one for each picture.", field="dataset"
                )


def _check_limits(request: CompleteFineTune, spec: ModelSpec) -> None:
    """Raises: LimitExceeded."""
    limits = spec.limits
    if request.resolution % limits.size_multiple or not limits.min_size <= request.resolution <= limits.max_size:
        raise LimitExceeded(
            f"resolution must be a multiple of {limits.size_multiple} from {limits.min_size} to {limits.max_size} for "
            f"{spec.id}, and is {request.resolution}.",
            field="resolution",
        )
    cost = request.steps * request.batch_size * request.resolution**2
    if limits.max_fine_tuning_cost is not None and cost > limits.max_fine_tuning_cost:
        raise LimitExceeded(
            f"steps × batch_size × resolution² is {cost}, and {spec.id} allows {limits.max_fine_tuning_cost}.",
            field="steps",
        )


def _warnings(request: CompleteFineTune) -> list[str]:
    """What the client should know before it waits for the result."""
    warnings = []
    if len(request.pictures) == 1:
        warnings.append("One picture is little to learn from: what is learnt may be that picture.")
    wanted = request.resolution
    if any((picture.height, picture.width) != (wanted, wanted) for picture in request.pictures):
        warnings.append(f"Pictures of other sizes are scaled and cut to {wanted} × {wanted} around their middle.")
    if request.method in USES["trigger"] and not all(request.caption_of(picture) for picture in request.pictures):
        warnings.append("Some pictures have neither a caption nor a trigger; they are taught without words.")
    if request.method != "image_conditional" and any(picture.target_sha256 for picture in request.pictures):
        warnings.append(f"The maps in the data set are not used: {request.method} learns from pictures and captions.")
    return warnings
