"""Which method, along which noise levels, each scheduler's name means."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from contract.errors import UnsupportedScheduler
from contract.request import Scheduler
from worker import schedules, sigmas
from worker.schedules import Method, Schedule, scheduled
from worker.sigmas import Course, Spacing
from worker.trained_noise import DiffusionNoise, FlowNoise, TrainedNoise


class Sampler(NamedTuple):
    """A method with its noise levels; see the fields' types for what they do."""

    method: Method
    course: Callable[[DiffusionNoise, int, Spacing], Course]
    spacing: Spacing

    def schedule_for(self, noise: TrainedNoise, num_inference_steps: int) -> Schedule:
        """The schedule of one image. Raises: UnsupportedScheduler."""
        return _schedule(self, noise, num_inference_steps)

    def course_for(self, noise: TrainedNoise, num_inference_steps: int) -> Course:
        """The levels of one image. Raises: UnsupportedScheduler."""
        if not isinstance(noise, FlowNoise):
            return self.course(noise, num_inference_steps, self.spacing)
        if self.method is schedules.euler_ancestral:
            raise UnsupportedScheduler("A model that predicts flow has no ancestral sampling.", field="scheduler")
        return sigmas.flow(noise, num_inference_steps, self.spacing)


@lru_cache(maxsize=256)
def _schedule(sampler: Sampler, noise: TrainedNoise, num_inference_steps: int) -> Schedule:
    return scheduled(sampler.method, sampler.course_for(noise, num_inference_steps))


SAMPLERS: dict[Scheduler, Sampler] = {
    "euler": Sampler(schedules.euler, sigmas.exploding, "trained"),
    "euler_karras": Sampler(schedules.euler, sigmas.exploding, "karras"),
    "euler_trailing": Sampler(schedules.euler, sigmas.exploding, "trailing"),
    "euler_ancestral": Sampler(schedules.euler_ancestral, sigmas.exploding, "trained"),
    "euler_ancestral_trailing": Sampler(schedules.euler_ancestral, sigmas.exploding, "trailing"),
    "ddim": Sampler(schedules.ddim, sigmas.ddim, "trained"),
    "ddim_trailing": Sampler(schedules.ddim, sigmas.ddim, "trailing"),
    "heun": Sampler(schedules.heun, sigmas.exploding, "trained"),
    "heun_karras": Sampler(schedules.heun, sigmas.exploding, "karras"),
    "heun_trailing": Sampler(schedules.heun, sigmas.exploding, "trailing"),
    "dpmpp_2m": Sampler(schedules.dpmpp_2m, sigmas.preserving, "trained"),
    "dpmpp_2m_karras": Sampler(schedules.dpmpp_2m, sigmas.preserving, "karras"),
    "dpmpp_2m_trailing": Sampler(schedules.dpmpp_2m, sigmas.preserving, "trailing"),
}
