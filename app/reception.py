"""A call that becomes a job: what its client prefers, and what it is answered."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Header
from starlette.requests import Request
from starlette.responses import Response

from app.admission import admit
from app.dependencies import Presenter, PresenterOf, ResourcesOf
from app.followers import OnDisconnect, OnDisconnectQuery, patiently
from app.prefer import preferred_wait
from app.resources import Resources
from app.responses import JOB_ID, JobShown
from contract.errors import InvalidRequest
from contract.request import GenerationRequest
from contract.terms import Terms

PreferHeader = Annotated[
    list[str] | None,
    Header(
        alias="Prefer",
        description="`wait=N` waits up to N seconds, 0 to 60, for the job to end; other preferences are passed over.",
        examples=["wait=30"],
    ),
]

HEADERS: dict[str, Any] = {
    "Location": {"description": "Where the job is.", "schema": {"type": "string"}, "example": f"/v1/jobs/{JOB_ID}"},
    "Preference-Applied": {
        "description": "The `wait` that was honoured.",
        "schema": {"type": "string"},
        "example": "wait=30",
    },
}


@dataclass(frozen=True, slots=True)
class Reception:
    """One such call."""

    request: Request
    response: Response
    resources: Resources
    presenter: Presenter
    wait_seconds: int | None
    on_disconnect: OnDisconnect

    async def accept(self, generation: GenerationRequest, terms: Terms) -> JobShown:
        """The job, when it has ended or the client's patience has. Raises: as `app.admission.admit`."""
        admission = await admit(generation, self.resources, terms)
        self.response.headers["Location"] = f"{self.request.scope.get('root_path', '')}/v1/jobs/{admission.job.id}"
        if self.wait_seconds is None:
            return self.presenter.admitted(admission.job)
        self.response.headers["Preference-Applied"] = f"wait={self.wait_seconds}"
        job = await patiently(admission.job, self.wait_seconds, self.request, self.resources, self.on_disconnect)
        self.response.status_code = 200 if job.ended else 202
        return self.presenter.admitted(job) if job.status == "queued" else await self.presenter.job(job)


async def reception(
    *,
    request: Request,
    response: Response,
    resources: ResourcesOf,
    presenter: PresenterOf,
    prefer: PreferHeader = None,
    on_disconnect: OnDisconnectQuery = "keep",
) -> Reception:
    """Raises: InvalidRequest."""
    wait_seconds = preferred_wait(prefer or ())
    if wait_seconds is None and on_disconnect == "cancel":
        raise InvalidRequest("Only a call that waits can be disconnected from: Prefer: wait=…", field="on_disconnect")
    return Reception(request, response, resources, presenter, wait_seconds, on_disconnect)


ReceptionOf = Annotated[Reception, Depends(reception)]
