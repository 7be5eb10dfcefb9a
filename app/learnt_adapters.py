"""Adapters that a tenant has taught: `ft_…` in `adapters` becomes the file that was learnt."""

from app.resources import Resources
from contract.adapters import AdapterUse
from contract.errors import AdapterMismatch, UnknownAdapter, UnknownJob
from contract.fine_tunes import PREFIX
from contract.request import GenerationRequest


def names_learnt(request: GenerationRequest) -> bool:
    """Whether a request names a fine-tune."""
    return any(use.id.startswith(PREFIX) for use in request.adapters)


async def with_learnt(request: GenerationRequest, resources: Resources) -> GenerationRequest:
    """The request with files in the place of fine-tunes. Raises: UnknownAdapter, AdapterMismatch, naming the field."""
    if not names_learnt(request):
        return request
    model_id = request.model or resources.catalogue.default_model
    uses = [await _resolved(use, f"adapters.{at}.id", model_id, resources) for at, use in enumerate(request.adapters)]
    return request.model_copy(update={"adapters": tuple(uses)})


async def _resolved(use: AdapterUse, field: str, model_id: str, resources: Resources) -> AdapterUse:
    if not use.id.startswith(PREFIX):
        return use
    try:
        learnt = await resources.fine_tunes.get(use.id)
    except UnknownJob as error:
        raise UnknownAdapter(f"There is no fine-tune {use.id!r}.", field=field) from error
    if learnt.result is None or learnt.result.adapter_file is None:
        why = "makes a model, which `model` names" if learnt.result else f"is {learnt.status}, and has no result"
        raise AdapterMismatch(f"{use.id} {why}.", field=field)
    if learnt.request.model != model_id:
        raise AdapterMismatch(f"{use.id} was taught to {learnt.request.model}, and not to {model_id}.", field=field)
    return AdapterUse.model_validate({"id": learnt.result.adapter_file, "scale": use.scale})
