"""What one row asks of the network is done to that row, and to no other."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from tests import tiny_parts
from worker.steering import Passage, RowHook, Steering, steered

B, LENGTH, WIDTH = 4, 6, 8


class Block(nn.Module):
    """An attention of the simplest kind, with a part that it calls."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Linear(WIDTH, WIDTH)

    def forward(self, hidden_states: Tensor) -> Tensor:
        values: Tensor = self.values(hidden_states)
        return values.softmax(dim=1) * values


class Attends:
    """Lets everything through as it is, after the part that the block calls."""

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        return {module: self._values for module in network.modules() if isinstance(module, Block)}

    def _values(self, passage: Passage) -> Tensor:
        values: Tensor = passage.module.get_submodule("values")(passage.hidden)
        return values


class Adds:
    """Adds a number to what every linear layer returns."""

    def __init__(self, number: float) -> None:
        self._number = number

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        return {module: self._added for module in network.modules() if isinstance(module, nn.Linear)}

    def _added(self, passage: Passage) -> Tensor:
        return passage.output + self._number


def outputs(network: nn.Module, values: Tensor, *steering: tuple[Steering, ...]) -> Tensor:
    with torch.inference_mode(), steered(network, steering):
        found: Tensor = network(values)
    return found


@pytest.fixture
def block() -> Block:
    torch.manual_seed(0)
    return Block()


@pytest.fixture
def values() -> Tensor:
    return torch.randn(B, LENGTH, WIDTH, generator=torch.Generator().manual_seed(1))


def test_only_the_row_that_asks_is_changed(block: Block, values: Tensor) -> None:
    plain = outputs(block, values)
    steered_third = outputs(block, values, (), (), (Attends(),))
    assert torch.equal(steered_third[[0, 1, 3]], plain[[0, 1, 3]])
    assert torch.equal(steered_third[2:3], block.values(values[2:3]))


def test_rows_ask_for_different_things(block: Block, values: Tensor) -> None:
    found = outputs(block, values, (Adds(1.0),), (), (Adds(-2.0),), (Attends(),))
    apart = [
        outputs(block, values[row : row + 1], asked) for row, asked in enumerate([(Adds(1.0),), (), (Adds(-2.0),)])
    ]
    torch.testing.assert_close(found[:3], torch.cat(apart))
    assert torch.equal(found[3:], block.values(values[3:]))


def test_a_module_called_by_a_hook_sees_that_row_alone(block: Block, values: Tensor) -> None:
    """Row 1 has its own number added within its own attention, and not that of row 0."""
    found = outputs(block, values, (Adds(10.0),), (Attends(), Adds(3.0)))
    assert torch.equal(found[1:2], block.values(values[1:2]) + 3.0)


def test_the_network_is_as_before(block: Block, values: Tensor) -> None:
    plain = outputs(block, values)
    outputs(block, values, (Adds(1.0), Attends()))
    assert torch.equal(outputs(block, values), plain)


def test_neighbours_keep_their_bits_in_a_real_network(values: Tensor) -> None:
    unet = tiny_parts.unet(32).eval()
    draw = torch.Generator().manual_seed(2)
    latents, prompts = torch.randn(B, 4, 8, 8, generator=draw), torch.randn(B, 7, 32, generator=draw)

    def rows(*steering: tuple[Steering, ...]) -> Tensor:
        with torch.inference_mode(), steered(unet, steering):
            found: Tensor = unet(latents, torch.full((B,), 500.0), encoder_hidden_states=prompts, return_dict=False)[0]
        return found

    plain, changed = rows(), rows((), (Adds(0.1),))
    assert torch.equal(changed[[0, 2, 3]], plain[[0, 2, 3]])
    assert not torch.allclose(changed[1], plain[1])
    assert torch.equal(rows((), (Adds(0.1),), (Adds(0.5),))[1], changed[1])
