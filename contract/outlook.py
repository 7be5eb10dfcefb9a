"""When a job that has not ended will end, from what is in front of it and what it needs itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.costs import Forecast
from contract.job import Job


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job waits: `position` 1 is next; `seconds_ahead` is the work of those before it, None where unknown."""

    position: int
    seconds_ahead: float | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What waits and what runs: `running_seconds` is what all running jobs have still to do, in seconds of a device."""

    num_workers: int
    num_running: int
    running_seconds: float
    places: Mapping[str, Place] = field(default_factory=dict)

    def position(self, job: Job) -> int | None:
        """The place of a job in the queue, None unless it waits."""
        place = self.places.get(job.id)
        return None if place is None else place.position

    def eta_seconds(self, job: Job, forecast: Forecast | None) -> float | None:
        """Seconds to the end of a job: what its execution said, else what is predicted; None when nobody can know.

        A waiting job has the work in front of it before it, shared by all workers, and then its own. A job that was
        taken and has no step yet shares a device with what runs there, and each of those holds it up by no more than
        its own work.
        """
        if job.ended or job.progress.eta_seconds is not None:
            return job.progress.eta_seconds
        if forecast is None or self.num_workers == 0:
            return None
        if job.status == "running":
            shared = min(self.running_seconds, self.num_running * forecast.work_seconds) / self.num_workers
            return round(max(forecast.own_seconds, shared), 3)
        place = self.places.get(job.id)
        if place is None or place.seconds_ahead is None:
            return None
        return round((self.running_seconds + place.seconds_ahead) / self.num_workers + forecast.own_seconds, 3)
