"""The methods: from a course to the rules that walk it, each with its coefficients, all computed ahead."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from worker import rules
from worker.rules import Rule
from worker.sigmas import Course, Leg, Level


@dataclass(frozen=True, eq=False, slots=True)
class Evaluation:
    """One call of the network and the move after it; `step` is how many steps are done by then.

    Shapes: timestep and each coefficient ().
    """

    timestep: Tensor
    here: Level
    rule: Rule
    coefficients: tuple[Tensor, ...]
    step: int
    needs_noise: bool = False

    @classmethod
    def at(
        cls, leg: Leg, step: int, rule: Rule, coefficients: tuple[Tensor, ...], *, needs_noise: bool = False
    ) -> Self:
        """The call at the start of a leg."""
        return cls(leg.timestep, leg.here, rule, coefficients, step, needs_noise)


Method = Callable[[Course], tuple[Evaluation, ...]]


@dataclass(frozen=True, eq=False, slots=True)
class Schedule:
    """All calls for one image, in order; its first latents are noise × `init_noise_sigma`."""

    method: Method
    course: Course
    evaluations: tuple[Evaluation, ...]

    @classmethod
    def of(cls, method: Method, course: Course) -> Self:
        """The schedule of a method along a course."""
        return cls(method, course, method(course))

    @property
    def init_noise_sigma(self) -> Tensor:
        """The deviation of the first latents, ()."""
        return self.course.init_noise_sigma

    def from_strength(self, strength: float) -> Self:
        """The last part of this schedule, for an image with noise up to its first level; at least one step.

        The method knows nothing of the part before, and steps count from 1.
        Source: must equal `get_timesteps` of diffusers' image-to-image pipelines.
        """
        legs = self.course.legs[self.course.num_skipped(strength) :]
        return self.of(self.method, replace(self.course, legs=legs))


def euler(course: Course) -> tuple[Evaluation, ...]:
    """Euler's method."""
    return tuple(Evaluation.at(leg, step, rules.euler, _slope(leg)) for step, leg in enumerate(course.legs, 1))


def euler_ancestral(course: Course) -> tuple[Evaluation, ...]:
    """Euler's method to a level below the next, and noise up to it; only where alpha = 1."""
    return tuple(
        Evaluation.at(leg, step, rules.euler_ancestral, _down_and_up(leg), needs_noise=True)
        for step, leg in enumerate(course.legs, 1)
    )


def heun(course: Course) -> tuple[Evaluation, ...]:
    """Heun's method, which calls the network again where each step but the last arrives."""
    evaluations: list[Evaluation] = []
    for step, (leg, following) in enumerate(zip(course.legs, course.legs[1:], strict=False)):
        correction = (following.here.sigma, leg.there.sigma - leg.here.sigma)
        evaluations += [
            Evaluation.at(leg, step, rules.heun_try, _slope(leg)),
            Evaluation.at(following, step + 1, rules.heun_correction, correction),
        ]
    last = course.legs[-1]
    return (*evaluations, Evaluation.at(last, len(course.legs), rules.euler, _slope(last)))


def ddim(course: Course) -> tuple[Evaluation, ...]:
    """DDIM without noise."""
    return tuple(
        Evaluation.at(leg, step, rules.ddim, (leg.here.alpha, leg.here.sigma, leg.there.alpha, leg.there.sigma))
        for step, leg in enumerate(course.legs, 1)
    )


def _slope(leg: Leg) -> tuple[Tensor, ...]:
    return leg.here.sigma, leg.there.sigma - leg.here.sigma


def _down_and_up(leg: Leg) -> tuple[Tensor, ...]:
    here, there = leg.here.sigma, leg.there.sigma
    up = (there**2 * (here**2 - there**2) / here**2) ** 0.5
    down = (there**2 - up**2) ** 0.5
    return here, down - here, up
