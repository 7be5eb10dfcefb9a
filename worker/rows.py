"""Which models a child knows: the catalogue's, and those whose rows came with orders."""

from typing import Protocol

from contract.catalogue import Catalogue, ModelSpec
from contract.classifier_specs import CheckerSpec

MOST_BROUGHT = 256


class Rows(Protocol):
    """What is known of models: a catalogue, say."""

    def find(self, model_id: str) -> ModelSpec:
        """The row of a model. Raises: UnknownModel."""
        ...

    def checker_of(self, model_id: str) -> CheckerSpec | None:
        """What looks at a model's pictures. Raises: UnknownModel."""
        ...


class BroughtRows:
    """The catalogue's rows, and those that orders bring. For several threads.

    Promise: a row that an order brought is known until `MOST_BROUGHT` others were brought after it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._brought: dict[str, ModelSpec] = {}

    def bring(self, spec: ModelSpec) -> None:
        """Takes a row that is not the catalogue's."""
        others = [one for one in self._brought.values() if one.id != spec.id]
        self._brought = {one.id: one for one in (*others[1 - MOST_BROUGHT :], spec)}

    def find(self, model_id: str) -> ModelSpec:
        """The row of a model. Raises: UnknownModel."""
        return self._brought.get(model_id) or self._catalogue.find(model_id)

    def checker_of(self, model_id: str) -> CheckerSpec | None:
        """What looks at a model's pictures. Raises: UnknownModel."""
        wanted = self.find(model_id).checker
        return next((spec for spec in self._catalogue.checkers if spec.id == wanted), None)
