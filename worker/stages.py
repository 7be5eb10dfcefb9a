"""Which rows each evaluation of an image has, and in which order what is made of their outputs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor

from contract.guidance import ALWAYS
from worker.gradients import Energy, Said
from worker.guidance import way_done
from worker.schedules import Schedule
from worker.sigmas import Level

Role = Literal["nothing", "negative", "prompt", "perturbed"]
"""Why a row is there: of the negative prompt without the picture that it is to change, of the negative prompt, of the
prompt, of the prompt without its sense of structure."""

Outputs = Mapping[Role, Tensor]
"""The network's raw output for each row of one image, each (1, C, H, W)."""


class Seen(NamedTuple):
    """One image at one evaluation; `estimate` makes clean latents of raw outputs. Shapes: latents (1, C, H, W)."""

    latents: Tensor
    level: Level
    outputs: Outputs
    estimate: Callable[[Tensor], Tensor]
    memory: Tensor | None


class Shifted(NamedTuple):
    """What is added to the estimate of the clean latents, what the next evaluation must know of it, and who said so."""

    shift: Tensor
    memory: Tensor | None = None
    said: Said | None = None


Mixing = Callable[[Tensor, Outputs], Tensor]
"""From a prediction so far, first the prompt's, and all raw outputs to a prediction."""

Shifting = Callable[[Seen], Shifted]
"""A correction of the estimate of the clean latents."""


@dataclass(frozen=True, eq=False, slots=True)
class Part:
    """One kind of guidance at work: what it does, and where on the way from noise to picture.

    `scale` weighs the prompt's prediction against the negative prompt's, and comes before any `mixing`.
    """

    interval: tuple[float, float] = ALWAYS
    roles: tuple[Role, ...] = ()
    scale: float | None = None
    mixing: Mixing | None = None
    shifting: Shifting | None = None
    energy: Energy | None = None

    def acts(self, level: Level) -> bool:
        """Whether it has a say at a level."""
        return self.interval == ALWAYS or self.interval[0] <= way_done(level) < self.interval[1]


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """What one evaluation of one image takes: its rows in the forward that images share, and what is made of them.

    Where there are energies, the prompt's row has a forward of its own, and is none of `roles`.
    """

    roles: tuple[Role, ...]
    scale: float | None = None
    mixings: tuple[Mixing, ...] = ()
    shiftings: tuple[Shifting, ...] = ()
    energies: tuple[Energy, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Part]) -> "Stage":
        """What these parts take together, in whichever order they are named."""
        parts = sorted(parts, key=lambda part: part.scale is None)
        asked: set[Role] = {role for part in parts for role in part.roles}
        energies = tuple(part.energy for part in parts if part.energy is not None)
        return cls(
            roles=tuple(role for role in ORDER if role in (asked if energies else asked | {"prompt"})),
            scale=next((part.scale for part in parts if part.scale is not None), None),
            mixings=tuple(part.mixing for part in parts if part.mixing is not None),
            shiftings=tuple(part.shifting for part in parts if part.shifting is not None),
            energies=energies,
        )


ORDER: tuple[Role, ...] = ("nothing", "negative", "prompt", "perturbed")
"""The order of an image's rows in a forward."""


def stages_of(parts_in: Sequence[Sequence[Part]], schedule: Schedule) -> tuple[Stage, ...]:
    """What each evaluation of a schedule takes, of the parts of its step; equal ones are the same object."""
    known: dict[tuple[Part, ...], Stage] = {}
    stages = []
    for evaluation, step in zip(schedule.evaluations, schedule.steps, strict=True):
        acting = tuple(part for part in parts_in[step] if part.acts(evaluation.here))
        stages.append(known.setdefault(acting, Stage.of(acting)))
    return tuple(stages)


def roles_in(stages: Sequence[Stage], schedule: Schedule) -> list[set[Role]]:
    """The roles of each step's rows."""
    roles: list[set[Role]] = [set() for _ in range(schedule.num_steps)]
    for stage, step in zip(stages, schedule.steps, strict=True):
        roles[step].update(stage.roles)
    return roles
