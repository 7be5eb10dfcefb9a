"""What is seen of a U-Net as one row passes through it, without changing it: its blocks, and where it looks."""

import logging
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from contract.traces import MAX_MAPS_BYTES
from worker.steering import Passage, RowHook
from worker.token_attention import key_of, weights_of

logger = logging.getLogger(__name__)

BLOCK = re.compile(r"conv_in|down_blocks\.\d+|mid_block|up_blocks\.\d+|conv_out")
"""The names of the blocks of U-Nets."""

LOOK = re.compile(r"(.*\.attentions\.\d+)\.transformer_blocks\.\d+\.attn2")
"""The names of their attentions to the prompt; the first part is the block's."""

LARGEST_SIDE = 32
"""Of the map of a block; larger ones are averaged over squares."""


@dataclass(eq=False, slots=True)
class BlockSeen:
    """One block, step by step; `maps` are sums of absolute values over its channels.

    Shapes: the output's is `shape`, without the row; maps (h, w).
    """

    kind: str
    num_parameters: int
    shape: tuple[int, int, int] = (0, 0, 0)
    maps: list[Tensor] = field(default_factory=list)


class Watch:
    """Steering that steers nothing. `attention` has a map a step for each block, (tokens, h, w).

    Promise: whatever goes wrong in here, the row goes on as it is; `failed` says so.
    """

    def __init__(self, network: nn.Module, positions: Sequence[int], num_steps: int, sides: tuple[int, int]) -> None:
        """`positions` are those of the tokens; `sides` are height and width of the latents."""
        self.blocks: dict[str, BlockSeen] = {}
        self.attention: dict[str, list[Tensor]] = {}
        self.failed = False
        self._columns: slice | list[int] = _columns(positions)
        self._sides = sides
        self._seen: dict[str, tuple[int, Tensor]] = {}
        self._looks: dict[str, dict[nn.Module, Tensor]] = {}
        self._keys: dict[nn.Module, tuple[Tensor, Tensor]] = {}
        self._known: dict[str, nn.Module] = {}
        self._hooks = dict(self._find(network))
        num_looking = len({look[1] for name, _ in network.named_modules() if (look := LOOK.fullmatch(name))})
        self._max_places = max(1, MAX_MAPS_BYTES // max(1, num_steps * len(positions) * num_looking))

    def hooks(self, network: nn.Module) -> Mapping[nn.Module, RowHook]:
        """What is looked at."""
        del network
        return self._hooks

    def _find(self, network: nn.Module) -> Iterator[tuple[nn.Module, RowHook]]:
        for name, module in network.named_modules():
            if BLOCK.fullmatch(name):
                self._known[name] = module
                yield module, partial(self._guarded, partial(self._see, name))
            elif look := LOOK.fullmatch(name):
                yield module, partial(self._guarded, partial(self._look, look[1]))

    def _guarded(self, look: Callable[[Passage], None], passage: Passage) -> Tensor:
        """A hook that returns what the module has returned."""
        with self._harmless():
            look(passage)
        return passage.output

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Within: what goes wrong ends the watch, unless the device is lost."""
        try:
            with torch.no_grad():
                yield
        except torch.AcceleratorError:
            raise
        except Exception as error:
            logger.error("the network cannot be watched", exc_info=error)
            self.failed = True

    def _see(self, name: str, passage: Passage) -> None:
        self._seen[name] = (passage.output.shape[1], _absolute(passage.output[0]))

    def _look(self, name: str, passage: Passage) -> None:
        if passage.context is None:
            return
        key = self._key(passage.module, passage.context)
        weights = weights_of(passage.module, passage.hidden, key)
        self._looks.setdefault(name, {})[passage.module] = weights[0].mean(dim=0)[:, self._columns]

    def _key(self, attention: nn.Module, context: Tensor) -> Tensor:
        """The keys of a prompt, which are made once for all steps that read the same."""
        if attention not in self._keys or not torch.equal(self._keys[attention][0], context):
            self._keys[attention] = (context.clone(), key_of(attention, context))
        return self._keys[attention][1]

    def _grid(self, num_places: int) -> tuple[int, int]:
        """Height and width of a block with so many places: the latents', halved again and again."""
        height, width = self._sides
        while height * width > num_places:
            height, width = math.ceil(height / 2), math.ceil(width / 2)
        return height, width

    def end_step(self) -> None:
        """Keeps what was seen in the forward of a step."""
        with self._harmless():
            self._keep()
        self._seen, self._looks = {}, {}

    def _keep(self) -> None:
        for name, (num_channels, values) in self._seen.items():
            if name not in self.blocks:
                self.blocks[name] = _block(self._known[name])
            block = self.blocks[name]
            block.shape = (num_channels, values.shape[0], values.shape[1])
            block.maps.append(values)
        for name, looks in self._looks.items():
            self.attention.setdefault(name, []).append(self._maps(list(looks.values())))

    def _maps(self, looks: Sequence[Tensor]) -> Tensor:
        """Where the layers of one block look, together. Shapes: looks (places, tokens), result (tokens, h, w)."""
        weights = looks[0] if len(looks) == 1 else torch.stack(list(looks)).mean(dim=0)
        height, width = self._grid(len(weights))
        factor = math.ceil(math.sqrt(max(1.0, height * width / self._max_places)))
        return shrunk(weights.T.unflatten(1, (height, width)), factor)

    def to_cpu(self) -> None:
        """Takes all that was seen off the device, and lets the network go."""
        for block in self.blocks.values():
            block.maps = _off(block.maps)
        self.attention = {name: _off(maps) for name, maps in self.attention.items()}
        self._hooks, self._keys, self._known = {}, {}, {}


def _off(tensors: list[Tensor]) -> list[Tensor]:
    """Tensors of one shape, off their device in one go."""
    return list(torch.stack(tensors).cpu())


def _absolute(output: Tensor) -> Tensor:
    """The sum of absolute values over channels. Shapes: output (C, h, w), result (h, w), float32."""
    return output.abs().sum(dim=0, dtype=torch.float32)


def shrunk(maps: Tensor, factor: int) -> Tensor:
    """Maps (n, h, w), averaged over squares of so many places along each side."""
    return maps if factor == 1 else functional.avg_pool2d(maps[None], factor, ceil_mode=True)[0]


def _block(module: nn.Module) -> BlockSeen:
    return BlockSeen(type(module).__name__, sum(parameter.numel() for parameter in module.parameters()))


def _columns(positions: Sequence[int]) -> slice | list[int]:
    """Positions that follow one another, as what is read without being copied."""
    if not positions or list(positions) != list(range(positions[0], positions[-1] + 1)):
        return list(positions)
    return slice(positions[0], positions[-1] + 1)
