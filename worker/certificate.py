"""The invariance certificate: which forward sizes give a row the same bits, as measured on this machine, not assumed.

Libraries choose kernels, and with them the order of summation, by the number of rows. A probe row goes through forwards
of every candidate size, in several slots and among random mates; the sizes whose bytes agree form a class, and only
sizes of one class are used afterwards.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from worker.stepwise_pipeline import Conditioning

CANDIDATES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
PAYS = 1.1
"""Larger sizes are not tried once a row costs more than so many times what it cost in the best size, twice."""

PROBE_SEED = 20_220_619

Forward = Callable[[Tensor, Tensor, Conditioning], Tensor]
"""Latents (B, C, H, W), timesteps (B,) and conditioning to the network's output (B, C, H, W)."""


class Setting(NamedTuple):
    """What changes which kernels run, apart from the model and the shapes."""

    device: str
    dtype: str
    text_dtype: str
    vae_dtype: str
    layout: str
    num_threads: int
    compiled: bool
    torch: str


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was measured of one model at one size.

    `weights_sha256` names the files of the model. `buckets` are the sizes that forwards may have, rising; `seconds`
    what one forward of each took. Where not even the slots of one size agree, `reproducibility` is `tolerance`, and
    `tolerance` the largest deviation seen, relative to the largest output.
    """

    model: str
    height: int
    width: int
    setting: Setting
    buckets: tuple[int, ...]
    seconds: tuple[float, ...] = field(compare=False)
    reproducibility: Literal["exact", "tolerance"] = "exact"
    tolerance: float | None = None
    weights_sha256: str = ""

    @property
    def digest(self) -> str:
        """Names the certificate: equal where equal requests give equal bytes. What depends on the clock is left out."""
        content = {name: value for name, value in asdict(self).items() if name != "seconds"}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Probed:
    """What forwards of one size gave: the probe row's output in each slot that was tried, and the seconds of one."""

    size: int
    outputs: tuple[Tensor, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Shape:
    """The shapes of one row. `pooled` is None where the family has no pooled embeds."""

    latents: tuple[int, ...]
    prompt_embeds: tuple[int, ...]
    pooled: tuple[int, ...] | None


def probe(forward: Forward, shape: Shape, candidates: Sequence[int] = CANDIDATES) -> Iterator[Probed]:
    """Tries one size after the other, so that other work may go on between them.

    Every size is run once to warm up, then with the probe row in the first, the middle and the last slot. It ends
    where larger sizes do not pay, or do not fit into memory. What seems not to pay is measured once more: the machine
    may have been slow just then.
    """
    generator = torch.Generator().manual_seed(PROBE_SEED)
    row = _random_rows(shape, 1, generator)
    best, misses = float("inf"), 0
    for size in candidates:
        try:
            probed = _probed(forward, shape, row, size, generator)
            if probed.seconds / size > PAYS * best:
                again = _probed(forward, shape, row, size, generator)
                probed = Probed(size, probed.outputs + again.outputs, min(probed.seconds, again.seconds))
        except torch.OutOfMemoryError:
            return
        yield probed
        misses = misses + 1 if probed.seconds / size > PAYS * best else 0
        best = min(best, probed.seconds / size)
        if misses == 2:
            return


def _probed(forward: Forward, shape: Shape, row: "_Rows", size: int, generator: torch.Generator) -> Probed:
    outputs, seconds = [], []
    for slot in (0, 0, size // 2, size - 1):
        rows = _with_row(_random_rows(shape, size, generator), row, slot)
        started_at = time.perf_counter()
        outputs.append(forward(*rows)[slot].cpu().clone())
        seconds.append(time.perf_counter() - started_at)
    return Probed(size, tuple(outputs), min(seconds[1:]))


_Rows = tuple[Tensor, Tensor, Conditioning]


def _random_rows(shape: Shape, size: int, generator: torch.Generator) -> _Rows:
    def normal(row_shape: tuple[int, ...]) -> Tensor:
        return torch.randn((size, *row_shape), generator=generator)

    timesteps = torch.randint(1, 1000, (size,), generator=generator).float()
    pooled = None if shape.pooled is None else normal(shape.pooled)
    scales = 1 + 6 * torch.rand((size,), generator=generator)
    return normal(shape.latents), timesteps, Conditioning(normal(shape.prompt_embeds), pooled, scales)


def _with_row(rows: _Rows, row: _Rows, slot: int) -> _Rows:
    latents, timesteps, conditioning = rows
    latents[slot], timesteps[slot] = row[0][0], row[1][0]
    conditioning.prompt_embeds[slot] = row[2].prompt_embeds[0]
    conditioning.guidance_scales[slot] = row[2].guidance_scales[0]
    if conditioning.pooled_prompt_embeds is not None and row[2].pooled_prompt_embeds is not None:
        conditioning.pooled_prompt_embeds[slot] = row[2].pooled_prompt_embeds[0]
    return rows


def certify(model: str, height: int, width: int, setting: Setting, probes: Sequence[Probed]) -> Certificate:
    """The largest class of sizes whose bytes agree; of two as large, the one with the cheapest row."""
    classes: dict[bytes, list[Probed]] = {}
    for probed in probes:
        if _is_steady(probed):
            classes.setdefault(_bytes_of(probed.outputs[0]), []).append(probed)
    kept = max(classes.values(), key=_worth, default=list(probes))
    return Certificate(
        model,
        height,
        width,
        setting,
        buckets=tuple(probed.size for probed in kept),
        seconds=tuple(probed.seconds for probed in kept),
        reproducibility="exact" if classes else "tolerance",
        tolerance=None if classes else _deviation(probes),
    )


def _is_steady(probed: Probed) -> bool:
    return len({_bytes_of(output) for output in probed.outputs}) == 1


def _worth(members: Sequence[Probed]) -> tuple[int, float]:
    return len(members), -min(probed.seconds / probed.size for probed in members)


def _bytes_of(output: Tensor) -> bytes:
    return output.contiguous().view(torch.uint8).numpy().tobytes()


def _deviation(probes: Sequence[Probed]) -> float:
    outputs = torch.stack([output.float() for probed in probes for output in probed.outputs])
    spread = (outputs.amax(0) - outputs.amin(0)).max()
    return float(spread / outputs.abs().max())
