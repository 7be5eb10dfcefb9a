"""What routes of fine-tunes ask FastAPI for: the one that a path names, and how to show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Path

from app.dependencies import LinksOf, ResourcesOf
from app.fine_tune_responses import FINE_TUNE_ID, FineTuneShown
from app.links import Links
from contract.fine_tunes import FineTune, FineTuneStore
from contract.teaching_costs import TeachingCosts


@dataclass(frozen=True, slots=True)
class FineTunePresenter:
    """Fine-tunes as one client is shown them."""

    fine_tunes: FineTuneStore
    costs: TeachingCosts
    links: Links

    async def one(self, job: FineTune) -> FineTuneShown:
        """The fine-tune as it is now."""
        return (await self.several([job]))[0]

    async def several(self, jobs: Sequence[FineTune]) -> list[FineTuneShown]:
        """Fine-tunes as they are now, with one more question to the store if any of them has not ended."""
        if all(job.ended for job in jobs):
            return [FineTuneShown.of(job, None, job.progress.eta_seconds, self.links) for job in jobs]
        outlook = await self.fine_tunes.outlook(job.id for job in jobs if job.status == "queued")
        forecasts = await self.costs.forecasts([job.request for job in jobs])
        return [
            FineTuneShown.of(job, outlook.position(job), outlook.eta_seconds(job, forecast), self.links)
            for job, forecast in zip(jobs, forecasts, strict=True)
        ]

    def admitted(self, job: FineTune) -> FineTuneShown:
        """The fine-tune as it was when it was admitted, however long ago that is."""
        return FineTuneShown.of(job.as_admitted(), job.admitted_position, job.admitted_eta_seconds, self.links)


async def fine_tune_presenter(resources: ResourcesOf, links: LinksOf) -> FineTunePresenter:
    """Shows fine-tunes to this client."""
    return FineTunePresenter(resources.fine_tunes, resources.teaching_costs, links)


FineTunePresenterOf = Annotated[FineTunePresenter, Depends(fine_tune_presenter)]

FineTuneId = Annotated[str, Path(description="The fine-tune's id.", examples=[FINE_TUNE_ID])]


async def existing_fine_tune(fine_tune_id: FineTuneId, resources: ResourcesOf) -> FineTune:
    """The fine-tune that the path names. Raises: UnknownJob."""
    return await resources.fine_tunes.get(fine_tune_id)


ExistingFineTune = Annotated[FineTune, Depends(existing_fine_tune)]
