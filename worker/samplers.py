"""Which method, along which noise levels, each scheduler's name means."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from contract.errors import UnsupportedScheduler
from contract.request import Scheduler
from worker import consistency, schedules, sigmas
from worker.dpm_solver import dpmpp_2m, dpmpp_2m_sde
from worker.schedules import Method, Schedule
from worker.sigmas import Course, Spacing
from worker.trained_noise import DiffusionNoise, FlowNoise, TrainedNoise
from worker.unipc import unipc


class Sampler(NamedTuple):
    """A method with its noise levels: `course` is the one for diffusion, None where there is none."""

    method: Method
    course: Callable[[DiffusionNoise, int, Spacing], Course] | None
    spacing: Spacing
    fits_flow: bool = True

    def schedule_for(self, noise: TrainedNoise, num_inference_steps: int, image_seq_len: int) -> Schedule:
        """The schedule of one image. Raises: UnsupportedScheduler, LimitExceeded."""
        return _schedule(self, noise, num_inference_steps, image_seq_len)

    def course_for(self, noise: TrainedNoise, num_inference_steps: int, image_seq_len: int) -> Course:
        """The levels of one image. Raises: UnsupportedScheduler, LimitExceeded."""
        if isinstance(noise, FlowNoise) and self.fits_flow:
            return sigmas.flow(noise, num_inference_steps, self.spacing, image_seq_len)
        if isinstance(noise, FlowNoise):
            raise UnsupportedScheduler("This scheduler is not for models that predict flow.", field="scheduler")
        if self.course is None:
            raise UnsupportedScheduler("This scheduler is only for models that predict flow.", field="scheduler")
        return self.course(noise, num_inference_steps, self.spacing)


@lru_cache(maxsize=256)
def _schedule(sampler: Sampler, noise: TrainedNoise, num_inference_steps: int, image_seq_len: int) -> Schedule:
    return Schedule.of(sampler.method, sampler.course_for(noise, num_inference_steps, image_seq_len))


SAMPLERS: dict[Scheduler, Sampler] = {
    "euler": Sampler(schedules.euler, sigmas.exploding, "trained"),
    "euler_karras": Sampler(schedules.euler, sigmas.exploding, "karras"),
    "euler_trailing": Sampler(schedules.euler, sigmas.exploding, "trailing"),
    "euler_ancestral": Sampler(schedules.euler_ancestral, sigmas.exploding, "trained", fits_flow=False),
    "euler_ancestral_trailing": Sampler(schedules.euler_ancestral, sigmas.exploding, "trailing", fits_flow=False),
    "ddim": Sampler(schedules.ddim, sigmas.ddim, "trained"),
    "ddim_trailing": Sampler(schedules.ddim, sigmas.ddim, "trailing"),
    "heun": Sampler(schedules.heun, sigmas.exploding, "trained"),
    "heun_karras": Sampler(schedules.heun, sigmas.exploding, "karras"),
    "heun_trailing": Sampler(schedules.heun, sigmas.exploding, "trailing"),
    "dpmpp_2m": Sampler(dpmpp_2m, sigmas.preserving, "trained"),
    "dpmpp_2m_karras": Sampler(dpmpp_2m, sigmas.preserving, "karras"),
    "dpmpp_2m_trailing": Sampler(dpmpp_2m, sigmas.preserving, "trailing"),
    "dpmpp_2m_sde": Sampler(dpmpp_2m_sde, sigmas.preserving, "trained"),
    "dpmpp_2m_sde_karras": Sampler(dpmpp_2m_sde, sigmas.preserving, "karras"),
    "dpmpp_2m_sde_trailing": Sampler(dpmpp_2m_sde, sigmas.preserving, "trailing"),
    "unipc": Sampler(unipc, sigmas.unipc, "trained", fits_flow=False),
    "unipc_karras": Sampler(unipc, sigmas.unipc, "karras", fits_flow=False),
    "unipc_trailing": Sampler(unipc, sigmas.unipc, "trailing", fits_flow=False),
    "lcm": Sampler(consistency.lcm, consistency.lcm_course, "trained", fits_flow=False),
    "tcd": Sampler(consistency.tcd, consistency.tcd_course, "trained", fits_flow=False),
    "flow_match_euler": Sampler(schedules.euler, None, "trained"),
    "flow_match_euler_trailing": Sampler(schedules.euler, None, "trailing"),
}
