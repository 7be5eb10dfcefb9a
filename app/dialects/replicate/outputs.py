"""How pictures reach Replicate's clients: by address, or in the answer itself, where their SDK leaves addresses alone.

The SDK makes a file, with its `read()`, of what begins with `https:` or `data:`, and of nothing else. So a client that
waits and has reached this API by plain HTTP gets what it waited for in the answer, as Replicate's own API has done for
small files. When it has to ask again because the time was over, a cookie for that one prediction says that it waited.
Source: replicate-python, `replicate/helpers.py`, `transform_output`; `replicate/run.py`.
"""

from base64 import b64encode
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from starlette.requests import Request
from starlette.responses import Response

from app.dependencies import LinksOf, ResourcesOf
from app.dialects.outcomes import pictures
from app.dialects.replicate.logs import log_of
from app.dialects.replicate.shapes import PredictionShown
from app.links import Links
from app.resources import Resources
from contract.errors import StoreUnavailable, UnknownArtifact
from contract.job import Job

COOKIE = "safelight_waited"
COOKIE_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Presenter:
    """Jobs as one of Replicate's clients is shown them."""

    request: Request
    resources: Resources
    links: Links

    def prediction(self, job: Job) -> PredictionShown:
        """The job, its pictures by address."""
        return PredictionShown.of(job, self.resources.catalogue, self.links, log_of(job))

    def listed(self, job: Job) -> PredictionShown:
        """The job as one of many, without its log, which may be long."""
        return PredictionShown.of(job, self.resources.catalogue, self.links, None)

    async def awaited(self, job: Job) -> PredictionShown:
        """The job that a client waits for, its pictures so that the SDK makes files of them."""
        shown = self.prediction(job)
        contents = None if self.links.base.startswith("https:") else await self._pictures(job)
        return shown if contents is None else shown.model_copy(update={"output": contents})

    async def asked_for(self, job: Job) -> PredictionShown:
        """The job that a client asks for, which may have waited for it before."""
        return await self.awaited(job) if COOKIE in self.request.cookies else self.prediction(job)

    def remember(self, response: Response, job: Job) -> None:
        """Has the client say, when it asks for this job, that it had waited for it."""
        path = f"{self.request.scope.get('root_path', '')}/v1/predictions/{job.id}"
        response.set_cookie(COOKIE, "1", max_age=COOKIE_SECONDS, path=path, httponly=True, samesite="strict")

    async def _pictures(self, job: Job) -> list[str] | None:
        """The job's pictures as `data:` URIs; None while it has not ended, and when they are too large together."""
        num_bytes = sum(4 * -(-image.size_bytes // 3) for image in job.images)
        if not job.ended or not job.images or num_bytes > self.resources.settings.max_inline_bytes:
            return None
        try:
            contents = await pictures(job, self.resources)
        except (StoreUnavailable, UnknownArtifact):
            return None
        return [
            f"data:{image.media_type};base64,{b64encode(content).decode()}"
            for image, content in zip(job.images, contents, strict=True)
        ]


async def presenter(request: Request, resources: ResourcesOf, links: LinksOf) -> Presenter:
    """Shows jobs to this client."""
    return Presenter(request, resources, links)


PresenterOf = Annotated[Presenter, Depends(presenter)]
