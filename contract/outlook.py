"""When a job that has not ended will end, from what is in front of it and what it needs itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from contract.costs import Forecast
from contract.job import JobRecord


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

    def position(self, job: JobRecord) -> int | None:
        """The place of a job in the queue, None unless it waits."""
        place = self.places.get(job.id)
        return None if place is None else place.position

    def eta_seconds(self, job: JobRecord, forecast: Forecast | None) -> float | None:
        """Seconds to the end of a job: what its execution said, else what is predicted; None when nobody can know.

        A device works on several jobs at once and shares itself equally. So a job waits for the work in front of it,
        but for no more of a job that runs beside it to its end than it needs itself; and it is never faster than alone.
        """
        if job.ended or job.progress.eta_seconds is not None:
            return job.progress.eta_seconds
        place = self.places.get(job.id)
        if place is not None:
            return self.seconds_to_end(place, forecast)
        # It runs, or was taken since it was read: then it is one of those that run.
        others = Outlook(self.num_workers, max(0, self.num_running - 1), self._without(forecast))
        return others.seconds_to_end(Place(1, 0.0), forecast)

    def seconds_to_end(self, place: Place, forecast: Forecast | None) -> float | None:
        """As `eta_seconds`, of a job that waits in this place; the next one is taken at once."""
        if forecast is None or place.seconds_ahead is None or self.num_workers == 0:
            return None
        ahead = self.running_seconds + place.seconds_ahead
        num_beside = self.num_running if place.position == 1 else max(0, self.num_running - 1)
        beside = self.running_seconds * num_beside / max(1, self.num_running)
        outlasting = max(0.0, beside - num_beside * forecast.work_seconds)
        shared = (ahead - outlasting) / self.num_workers + forecast.work_seconds
        return round(max(forecast.own_seconds, shared), 3)

    def _without(self, forecast: Forecast | None) -> float:
        return self.running_seconds if forecast is None else max(0.0, self.running_seconds - forecast.work_seconds)
