"""Models that somebody has taught: from a fine-tune that succeeded to a row beside those of the catalogue."""

from contract.catalogue import Catalogue, ModelSpec
from contract.errors import UnknownJob, UnknownModel
from contract.fine_tunes import PREFIX, FineTune, FineTuneStore
from contract.fine_tuning import CompleteFineTune
from contract.maps import MapSpec

MOST_LISTED = 200
"""Fine-tunes among which models are looked for, for a list."""

DIFFUSION_STEPS = 10
"""What a map takes by default that is made from noise."""


class TaughtModels:
    """The models of one tenant; without one, everybody's. All methods raise StoreUnavailable."""

    def __init__(self, fine_tunes: FineTuneStore, catalogue: Catalogue) -> None:
        self._fine_tunes = fine_tunes
        self._catalogue = catalogue

    async def find(self, model_id: str) -> FineTune:
        """The fine-tune that is a model. Raises: UnknownModel."""
        try:
            found = await self._fine_tunes.get(model_id)
        except UnknownJob as error:
            raise _unknown(model_id) from error
        if not is_model(found):
            raise _unknown(model_id)
        return found

    async def rows(self) -> list[ModelSpec]:
        """The newest ones, whose bases are on offer."""
        bases = {spec.id for spec in self._catalogue.models}
        newest, _ = await self._fine_tunes.page(status="succeeded", limit=MOST_LISTED)
        return [self.row_of(one) for one in newest if is_model(one) and one.request.model in bases]

    async def row(self, model_id: str) -> ModelSpec:
        """The row of a model. Raises: UnknownModel."""
        return self.row_of(await self.find(model_id))

    def row_of(self, fine_tune: FineTune) -> ModelSpec:
        """The row of a fine-tune that is a model. Raises: UnknownModel, when its base is no longer on offer."""
        return row_of(fine_tune, self._catalogue)


def is_taught(model_id: str) -> bool:
    """Whether a model's id is that of a fine-tune."""
    return model_id.startswith(PREFIX)


def is_model(fine_tune: FineTune) -> bool:
    """Whether it has ended well, with a model of its own."""
    return fine_tune.status == "succeeded" and fine_tune.result is not None and fine_tune.result.is_model


def row_of(fine_tune: FineTune, catalogue: Catalogue) -> ModelSpec:
    """The base's row, with what is the fine-tune's own; where its U-Net is, each worker says.

    Raises: UnknownModel, when the base is no longer on offer.
    """
    base = catalogue.find(fine_tune.request.model)
    own = {"id": fine_tune.id, "created": int(fine_tune.created_at.timestamp())}
    return base.model_copy(update=own | (_of_maps(fine_tune.request, base) if fine_tune.request.task else {}))


def _of_maps(request: CompleteFineTune, base: ModelSpec) -> dict[str, object]:
    end_to_end = request.objective == "end_to_end"
    usual = {
        "height": request.resolution,
        "width": request.resolution,
        "num_inference_steps": 1 if end_to_end else DIFFUSION_STEPS,
        "guidance_scale": 1.0,
        "scheduler": "ddim_trailing",
    }
    most = {"max_size": request.resolution, "max_guidance_scale": 1.0}
    most |= {"max_num_inference_steps": 1} if end_to_end else {}
    return {
        "trained_for": "maps",
        "map": MapSpec(task=request.task, begins_at="zeros" if end_to_end else "noise"),
        "schedulers": ("ddim_trailing",),
        "defaults": base.defaults.model_copy(update=usual),
        "limits": base.limits.model_copy(update=most),
    }


def _unknown(model_id: str) -> UnknownModel:
    return UnknownModel(f"There is no model {model_id!r}; GET /v1/models lists them.", field="model")
