"""Which models a caller may name: the catalogue's, and those that its own fine-tunes have taught."""

from app.resources import Resources
from contract.catalogue import Catalogue
from contract.taught_models import TaughtModels, is_taught


async def catalogue_for(model_id: str | None, resources: Resources) -> Catalogue:
    """The catalogue, and the caller's own model if that is the one that is named. Raises: UnknownModel."""
    if model_id is None or not is_taught(model_id):
        return resources.catalogue
    return resources.catalogue.including(await taught_models(resources).row(model_id))


def taught_models(resources: Resources) -> TaughtModels:
    """The caller's own models."""
    return TaughtModels(resources.fine_tunes, resources.catalogue)
