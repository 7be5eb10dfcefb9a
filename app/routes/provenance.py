"""Where pictures come from: their receipts checked, the keys for that, and pictures made again."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from app import admission
from app.dependencies import IdempotencyKey, PresenterOf, ResourcesOf
from app.error_responses import documented
from app.provenance_responses import ReceiptKeysShown, VerificationShown
from app.replays import proven, replay, request_of
from app.resources import Resources
from app.responses import JOB_ID, JobShown
from app.sent_pictures import REFUSALS, documented_body, sent_picture
from app.verification import Examined, examine
from contract.errors import IdempotencyConflict, SafelightError, StoreUnavailable, UnprovenReceipt
from contract.terms import Repeatable, Terms

router = APIRouter(prefix="/v1", tags=["provenance"])

OWN_REFUSALS: tuple[type[SafelightError], ...] = (UnprovenReceipt, IdempotencyConflict, *REFUSALS)
REPLAY_REFUSALS = (*OWN_REFUSALS, *(kind for kind in admission.REFUSALS if kind not in OWN_REFUSALS))


@router.post(
    "/verify",
    response_description="What was found out.",
    openapi_extra=documented_body(),
    responses=documented(*REFUSALS),
)
async def verify_picture(request: Request, resources: ResourcesOf) -> VerificationShown:
    """Say whether a picture was made here, how, and whether it is as it was. The file is not kept."""
    return VerificationShown.of(await _examined(request, resources))


@router.post(
    "/replay",
    status_code=202,
    response_description="The job that makes the picture again is accepted.",
    openapi_extra=documented_body(),
    responses={
        202: {
            "headers": {
                "Location": {
                    "description": "Where the job is.",
                    "schema": {"type": "string"},
                    "example": f"/v1/jobs/{JOB_ID}",
                }
            }
        },
        **documented(*REPLAY_REFUSALS),
    },
)
async def replay_picture(
    request: Request,
    response: Response,
    resources: ResourcesOf,
    presenter: PresenterOf,
    idempotency_key: IdempotencyKey = None,
) -> JobShown:
    """Make a picture again from its receipt, as a job like any other; its `replay` says whether the bytes agree.

    What is known to be another way now is in `replay.differences` before the job runs.
    """
    examined = await _examined(request, resources)
    receipt = proven(examined)
    terms = Terms(
        replay=await replay(examined, receipt, resources),
        no_store=True,
        repeatable=None if idempotency_key is None else Repeatable(idempotency_key),
    )
    accepted = await admission.admit(request_of(receipt), resources, terms)
    response.headers["Location"] = f"{request.scope.get('root_path', '')}/v1/jobs/{accepted.job.id}"
    return presenter.admitted(accepted.job)


@router.get(
    "/receipts/keys",
    response_description="The keys.",
    responses=documented(StoreUnavailable),
)
async def read_receipt_keys(resources: ResourcesOf) -> ReceiptKeysShown:
    """Read the public keys that check receipts, as a JSON Web Key Set: those that sign now and those that did."""
    return ReceiptKeysShown.of(list((await resources.receipt_keys.all()).values()))


async def _examined(request: Request, resources: Resources) -> Examined:
    content = await sent_picture(request, resources)
    keys = await resources.receipt_keys.all()
    seen = await resources.file_checker.look(content, resources.c2pa_anchors, field="file")
    return await resources.file_checker.work(lambda: examine(content, seen, keys), field="file")
