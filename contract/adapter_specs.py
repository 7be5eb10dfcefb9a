"""The adapters that this service offers, and which of them a request may name for which model."""

from collections.abc import Sequence

from pydantic import Field, model_validator

from contract.adapters import WEIGHTS, AdapterKind, Named
from contract.errors import AdapterMismatch, InvalidRequest, UnknownAdapter
from contract.rows import HubSource, LocalSource, Row


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
        if (self.file is None) != (self.kind == "controlnet"):
            raise ValueError("file is what all kinds have but controlnet")
        if (self.image_encoder is None) == (self.kind == "ip_adapter"):
            raise ValueError("image_encoder is what ip_adapter has, and no other kind")
        return self

    def check(self, model_id: str, name: Named) -> None:
        """Refuses a model that it does not fit, and a field that it does not belong into. Raises: AdapterMismatch."""
        if self.kind not in name.kinds:
            message = f"{self.id} is of kind {self.kind}, and this field is for {' or '.join(name.kinds)}."
            raise AdapterMismatch(message, field=name.field)
        if model_id not in self.models:
            raise AdapterMismatch(f"{self.id} fits {', '.join(self.models)}, and not {model_id}.", field=name.field)


def find_adapter(specs: Sequence[AdapterSpec], adapter_id: str, field: str | None = None) -> AdapterSpec:
    """The adapter with this id; `field` is where the request names it. Raises: UnknownAdapter."""
    for spec in specs:
        if spec.id == adapter_id:
            return spec
    raise UnknownAdapter(f"There is no adapter {adapter_id!r}; GET /v1/adapters lists them.", field=field)


def check_adapters(
    specs: Sequence[AdapterSpec], names: Sequence[Named], model_id: str, *, takes_adapters: bool
) -> None:
    """Refuses what the catalogue knows not to fit the model. Raises: UnknownAdapter, AdapterMismatch, InvalidRequest.

    What only the weights tell is for the worker to find.
    """
    for place, name in enumerate(names):
        if name.kinds == WEIGHTS and name.id in [other.id for other in names[:place] if other.kinds == WEIGHTS]:
            raise InvalidRequest(f"{name.id} is there already.", field=name.field)
        if not takes_adapters:
            raise AdapterMismatch(f"{model_id} is of a family that takes no adapters.", field=name.field)
        if not name.is_file:
            find_adapter(specs, name.id, name.field).check(model_id, name)
