"""Samplers and schedules by AUTOMATIC1111's names: which scheduler of ours each pair of them is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from app.errors import UnknownSampler
from contract.catalogue import ModelSpec
from contract.errors import InvalidRequest, UnsupportedScheduler
from contract.request import Scheduler
from contract.sampler_names import EVEN, KARRAS, OWN, SAMPLER_NAMES, TRAILING, SamplerName

USUAL = "Euler"
"""What a schedule is for that comes without a sampler."""

ALIASES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Euler a": ("k_euler_a", "k_euler_ancestral"),
        "Euler": ("k_euler",),
        "Heun": ("k_heun",),
        "DPM++ 2M": ("k_dpmpp_2m",),
        "DPM++ 2M SDE": ("k_dpmpp_2m_sde",),
        "DDIM": ("ddim",),
        "UniPC": ("unipc",),
        "LCM": ("k_lcm",),
        "TCD": (),
    }
)
"""Every sampler, with its other names."""


class Schedule(NamedTuple):
    """One way of spacing noise levels: its label, its other names, the label of what it is here, its exponent."""

    label: str
    names: tuple[str, ...]
    means: str
    rho: float = -1


SCHEDULES: tuple[Schedule, ...] = (
    Schedule("Automatic", ("automatic",), OWN),
    Schedule("Uniform", ("uniform",), EVEN),
    Schedule("Normal", ("normal",), EVEN),
    Schedule("Karras", ("karras",), KARRAS, 7.0),
    Schedule("SGM Uniform", ("sgm_uniform", "SGMUniform"), TRAILING),
    Schedule("Simple", ("simple",), TRAILING),
)
"""Those that we have. Source: modules/sd_schedulers.py: `normal_scheduler` is `uniform`; `sgm_uniform` and
`simple_scheduler` are what diffusers calls trailing, to a step of training."""

AUTOMATIC: Mapping[str, str] = MappingProxyType({"DPM++ 2M": KARRAS, "DPM++ 2M SDE": KARRAS})
"""What `Automatic` is for these; for the second one it is exponential there, which is near Karras'."""

ETAS: Mapping[str, float] = MappingProxyType({"Euler a": 1, "DPM++ 2M SDE": 1, "DDIM": 0})
"""How much noise these add, as a share of all that they could; others have no such share, so any number is taken."""


def scheduler_of(sampler: str | None, schedule: str | None, model: ModelSpec) -> Scheduler | None:
    """The scheduler of ours; None is the model's own. Raises: UnknownSampler, UnsupportedScheduler, InvalidRequest."""
    if sampler is None and schedule in (None, "", *SCHEDULES[0].names, SCHEDULES[0].label):
        return None
    name, ending = _parted(sampler or USUAL)
    asked = SCHEDULES[0] if not schedule else _schedule(schedule)
    if ending is not None and asked.means not in (OWN, ending.means):
        raise InvalidRequest(f"scheduler is {schedule}, and sampler_name says {ending.label}.", field="scheduler")
    spaced = (ending or asked).means
    spaced = AUTOMATIC.get(name, OWN) if spaced == OWN else spaced
    offered = [scheduler for scheduler in _named(name, spaced) if scheduler in model.schedulers]
    if not offered:
        label = (ending or asked).label
        raise UnsupportedScheduler(f"{model.id} does not offer {name} with the schedule {label}.", field="sampler_name")
    return offered[0]


def check_eta(eta: float | None, scheduler: Scheduler) -> None:
    """Refuses an eta that would change what a sampler does. Raises: InvalidRequest."""
    name = SAMPLER_NAMES[scheduler].sampler
    if eta is not None and name in ETAS and eta != ETAS[name]:
        raise InvalidRequest(f"eta is {eta:g}, and {name} is done with {ETAS[name]:g} here.", field="eta")


def samplers_of(model: ModelSpec) -> list[str]:
    """The samplers that a model offers."""
    offered = {SAMPLER_NAMES[scheduler].sampler for scheduler in model.schedulers}
    return [name for name in ALIASES if name in offered]


def _named(name: str, spaced: str) -> list[Scheduler]:
    """What has this name, or where even spacing has no name of its own, the sampler's own one."""
    wanted = {SamplerName(name, spaced), *([SamplerName(name, OWN)] if spaced == EVEN else [])}
    return [scheduler for scheduler, own_name in SAMPLER_NAMES.items() if own_name in wanted]


def _parted(text: str) -> tuple[str, Schedule | None]:
    """A sampler's name, and the schedule that it ends with, as in `DPM++ 2M Karras`. Raises: UnknownSampler."""
    endings = ((" " + name, one) for one in SCHEDULES for name in (one.label, *one.names))
    for ending, schedule in (("", None), *endings):
        if text.endswith(ending) and (name := _sampler(text.removesuffix(ending))):
            return name, schedule
    raise UnknownSampler(
        f"There is no sampler {text[:100]!r}; GET /sdapi/v1/samplers lists them.", field="sampler_name"
    )


def _sampler(text: str) -> str | None:
    return next((name for name, others in ALIASES.items() if text in (name, *others)), None)


def _schedule(text: str) -> Schedule:
    for schedule in SCHEDULES:
        if text in (schedule.label, *schedule.names):
            return schedule
    labels = ", ".join(schedule.label for schedule in SCHEDULES)
    raise InvalidRequest(f"There is no schedule {text[:100]!r} here; there are {labels}.", field="scheduler")
