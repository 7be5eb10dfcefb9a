"""Which adapters fit which models, as far as the catalogue knows, and in which steps a control counts."""

import pytest
from pydantic import ValidationError

from contract.adapter_specs import AdapterSpec, check_adapters
from contract.adapters import AdapterUse, ControlUse, named
from contract.errors import AdapterMismatch, SafelightError
from contract.inputs import ImageReference

ROW = {"source": {"path": "."}, "owned_by": "tests", "licence": "none", "created": 0, "models": ["small"]}
IMAGE = ImageReference("file_" + "0" * 32)


def spec(**changes: object) -> AdapterSpec:
    return AdapterSpec.model_validate({"id": "gold", "kind": "lora", "file": "gold.safetensors"} | ROW | changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": None},
        {"kind": "controlnet"},
        {"kind": "ip_adapter"},
        {"image_encoder": "image_encoder"},
        {"models": []},
        {"id": "file_1"},
        {"kind": "hypernetwork"},
    ],
)
def test_rows_that_cannot_be(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        spec(**changes)


def refused(model_id: str, *, takes_adapters: bool = True) -> SafelightError:
    names = list(named((AdapterUse(id="gold"),), (), None))
    with pytest.raises(SafelightError) as error:
        check_adapters([spec()], names, model_id, takes_adapters=takes_adapters)
    return error.value


def test_an_adapter_for_another_model_or_family() -> None:
    for error in (refused("large"), refused("small", takes_adapters=False)):
        assert (type(error), error.field) == (AdapterMismatch, "adapters.0.id")


def test_the_same_network_may_hold_a_picture_to_two_others() -> None:
    uses = (ControlUse(id="edges", image=IMAGE), ControlUse(id="edges", image=IMAGE, scale=0.5))
    net = spec(id="edges", kind="controlnet", file=None)
    check_adapters([net], list(named((), uses, None)), "small", takes_adapters=True)


@pytest.mark.parametrize(
    ("interval", "steps"), [((0.0, 1.0), [0, 1, 2, 3, 4]), ((0.2, 0.8), [1, 2, 3]), ((0.3, 0.5), []), ((0.8, 1.0), [4])]
)
def test_a_control_counts_in_whole_steps_of_its_interval(interval: tuple[float, float], steps: list[int]) -> None:
    use = ControlUse(id="edges", image=IMAGE, interval=interval)
    assert [step for step in range(5) if use.counts_in(step, 5)] == steps
