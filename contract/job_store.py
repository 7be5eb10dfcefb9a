"""Generations in Redis, as anybody may use them: what there is of them beside what every job has."""

from contextlib import suppress

from contract.admitted import Admitted
from contract.artifact import Artifact, job_id_of
from contract.costs import CostTable, pixel_steps
from contract.errors import UnknownArtifact, UnknownJob
from contract.job import Job
from contract.job_events import PREVIEW_WISHES, JobEvent
from contract.job_records import read_job
from contract.jobs import Jobs
from contract.lines import GENERATIONS
from contract.request import CompleteRequest
from contract.store_connection import unavailable_when_unreachable
from contract.traces import TraceFile

PREVIEW_WISH_SECONDS = 30
RECENT_EVENTS = 100
WEIGHED_AT_ONCE = 1000

Admission = Admitted[Job]


class JobStore(Jobs[Job, CompleteRequest]):
    """Promise: as `Jobs`."""

    line = GENERATIONS
    id_prefix = "job_"

    def _read(self, job_id: str, fields: dict[str, str]) -> Job:
        return read_job(job_id, fields)

    def _cost(self, complete: CompleteRequest) -> int:
        return pixel_steps(complete)

    async def artifact(self, artifact_id: str) -> Artifact | TraceFile:
        """What is published under this id: a picture, or a file of a trace. Raises: UnknownArtifact."""
        with suppress(UnknownJob):
            if artifact := (await self.get(job_id_of(artifact_id))).artifact(artifact_id):
                return artifact
        raise UnknownArtifact(f"There is no artifact {artifact_id!r}.")

    async def weigh(self, costs: CostTable) -> None:
        """Says what waiting and running jobs need of which that was unknown at their admission."""
        with unavailable_when_unreachable():
            ids = await self._redis.zrange(self.line.key("unweighed"), 0, WEIGHED_AT_ONCE - 1)
        forecasts = [(job.id, costs.forecast(job.request)) for job in await self._get_many(ids)]
        known = [(job_id, forecast.microseconds["work"]) for job_id, forecast in forecasts if forecast is not None]
        if known:
            await self._run("weigh", *(part for pair in known for part in pair))

    async def latest_preview(self, job_id: str) -> JobEvent | None:
        """The newest `preview` among the last RECENT_EVENTS of a job, if there is one."""
        with unavailable_when_unreachable():
            entries = await self._redis.xrevrange(f"safelight:events:{job_id}", count=RECENT_EVENTS)
        return next(
            (JobEvent(id, "preview", fields["data"]) for id, fields in entries if fields["event"] == "preview"), None
        )

    async def wish_previews(self, job_id: str) -> None:
        """Says that somebody watches previews of this job, for the next PREVIEW_WISH_SECONDS.

        Workers hear of it at once, so that a picture that takes a second has previews too.
        """
        with unavailable_when_unreachable():
            await self._redis.set(f"safelight:previews:{job_id}", 1, ex=PREVIEW_WISH_SECONDS)
            await self._redis.publish(PREVIEW_WISHES, job_id)
