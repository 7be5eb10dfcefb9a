"""The methods: from a course to the rules that walk it, each with its coefficients, all computed ahead."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Self

from torch import Tensor

from contract.errors import UnsupportedScheduler
from worker import rules
from worker.rules import Rule
from worker.sigmas import Course, Leg, Level


@dataclass(frozen=True, eq=False, slots=True)
class Evaluation:
    """One call of the network and the move after it; `step` is how many steps are done by then.

    `back`, where the latents then go up again to the level that they came from, is what is kept of them and what noise
    is added. Shapes: timestep and each coefficient (), back likewise.
    """

    timestep: Tensor
    here: Level
    rule: Rule
    coefficients: tuple[Tensor, ...]
    step: int
    needs_noise: bool = False
    back: tuple[Tensor, Tensor] | None = None

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

    @property
    def steps(self) -> tuple[int, ...]:
        """The step, from 0, that each call belongs to: as many are done when it comes."""
        return (0, *(evaluation.step for evaluation in self.evaluations[:-1]))

    @property
    def num_steps(self) -> int:
        """Steps in all."""
        return self.evaluations[-1].step

    def from_strength(self, strength: float) -> Self:
        """The last part of this schedule, for an image with noise up to its first level; at least one step.

        The method knows nothing of the part before, and steps count from 1.
        Source: must equal `get_timesteps` of diffusers' image-to-image pipelines.
        """
        legs = self.course.legs[self.course.num_skipped(strength) :]
        return self.of(self.method, replace(self.course, legs=legs))

    def with_recurrence(self, times: int, where: Callable[[Level], bool] = lambda here: True) -> Self:
        """The schedule that makes each step from levels `where` it pays so many times, from new noise each time.

        As many steps count as before. Raises: UnsupportedScheduler, where a step depends on the one before it.
        """
        return self if times == 1 else self.of(recurrent(self.method, times, where), self.course)

    def with_renoising(self) -> Self:
        """The schedule whose noise is that of a second estimate. Raises: UnsupportedScheduler."""
        if self.method not in RENOISING:
            raise UnsupportedScheduler(
                "Renoising with a second estimate is defined for euler, euler_ancestral and ddim.", field="scheduler"
            )
        return self.of(RENOISING[self.method], self.course)


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


def euler_renoised(course: Course) -> tuple[Evaluation, ...]:
    """Euler's method, its noise that of a second estimate."""
    return tuple(
        Evaluation.at(leg, step, rules.euler_renoised, (*_slope(leg), leg.there.alpha))
        for step, leg in enumerate(course.legs, 1)
    )


def euler_ancestral_renoised(course: Course) -> tuple[Evaluation, ...]:
    """As `euler_ancestral`, its noise that of a second estimate as far as it is not new."""
    evaluations = []
    for step, leg in enumerate(course.legs, 1):
        *down, up = _down_and_up(leg)
        coefficients = (*down, leg.there.alpha, up)
        evaluations.append(Evaluation.at(leg, step, rules.euler_ancestral_renoised, coefficients, needs_noise=True))
    return tuple(evaluations)


def ddim_renoised(course: Course) -> tuple[Evaluation, ...]:
    """DDIM, its noise that of a second estimate."""
    return tuple(replace(evaluation, rule=rules.ddim_renoised) for evaluation in ddim(course))


RENOISING: dict[Method, Method] = {
    euler: euler_renoised,
    euler_ancestral: euler_ancestral_renoised,
    ddim: ddim_renoised,
}
"""The methods whose noise may be that of a second estimate, and the same with it."""

WITHOUT_MEMORY: frozenset[Method] = frozenset({*RENOISING, *RENOISING.values()})
"""The methods whose steps depend on nothing but where they start, and so may be made again."""


def recurrent(method: Method, times: int, where: Callable[[Level], bool]) -> Method:
    """The method that makes each step from levels `where` it pays so many times. Raises: UnsupportedScheduler."""
    if method not in WITHOUT_MEMORY:
        raise UnsupportedScheduler(
            "Steps can be made again by euler, euler_ancestral and ddim, whose steps do not depend on one another.",
            field="scheduler",
        )

    def repeated(course: Course) -> tuple[Evaluation, ...]:
        evaluations: list[Evaluation] = []
        for leg, last in zip(course.legs, method(course), strict=True):
            before = replace(last, step=last.step - 1, back=way_back(leg))
            evaluations += [*[before] * (times - 1 if where(leg.here) else 0), last]
        return tuple(evaluations)

    return repeated


def way_back(leg: Leg) -> tuple[Tensor, Tensor]:
    """What is kept of latents at the end of a leg, and what noise is added, to be at its start again.

    Source: Bansal et al. 2023, arXiv:2302.07121, Algorithm 1, line 9, for any levels:
            Kingma et al. 2021, arXiv:2107.00630, equation 2.
    """
    kept = leg.here.alpha / leg.there.alpha
    return kept, (leg.here.sigma**2 - kept**2 * leg.there.sigma**2).clamp(min=0) ** 0.5
