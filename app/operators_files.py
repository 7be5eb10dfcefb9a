"""What the operator says in files that the API reads at its start: models, refused prompts, trusted certificates."""

from typing import NamedTuple, Self

from app.deny_list import DenyList
from app.manifests import trusted_certificates
from app.settings import AppSettings
from contract.catalogue import Catalogue, read_catalogue


class OperatorsFiles(NamedTuple):
    """What was read. `c2pa_anchors` are certificates as PEM; None where none are trusted."""

    catalogue: Catalogue
    deny_list: DenyList
    c2pa_anchors: str | None

    @classmethod
    def read(cls, settings: AppSettings) -> Self:
        """All of it. Raises: CatalogueInvalid, SettingError."""
        return cls(
            read_catalogue(settings.catalogue),
            DenyList.read(settings.prompt_deny_list),
            trusted_certificates(settings.c2pa_trust),
        )
