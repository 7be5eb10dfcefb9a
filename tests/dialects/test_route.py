"""What every dialect's routes have in common: whatever is raised is answered and documented in its own shape."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from app.dialects.route import DialectRoute, Refusal
from app.envelope import Envelope
from app.metrics import RequestMetrics
from contract.errors import InvalidRequest, QueueFull, SafelightError

PROMPT = "a secret"


class Complaint(BaseModel):
    """An error in a dialect that only these tests speak."""

    complaint: str


class Curt(DialectRoute):
    error_shape = Complaint

    @staticmethod
    def refuse(refusal: Refusal) -> Response:
        return JSONResponse({"complaint": f"{refusal.code} {refusal.field}"}, refusal.status, refusal.headers)

    @classmethod
    def status_of(cls, kind: type[SafelightError]) -> int:
        return 418 if kind is InvalidRequest else super().status_of(kind)


router = APIRouter(route_class=Curt, responses=Curt.documented(InvalidRequest, QueueFull))


@router.get("/full")
async def full() -> None:
    raise QueueFull("3 jobs are waiting.")


@router.get("/broken")
async def broken() -> None:
    raise KeyError(PROMPT)


@router.get("/numbers/{number}")
async def read_number(number: int) -> None:
    """A number."""


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    app.add_middleware(Envelope, metrics=RequestMetrics())
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "complaint"),
    [
        ("/full", 429, "queue_full None"),
        ("/broken", 500, "internal_error None"),
        ("/numbers/x", 418, "invalid_request number"),
    ],
)
async def test_whatever_is_raised_is_answered_in_the_dialect(
    client: httpx.AsyncClient, path: str, status: int, complaint: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()) == (status, {"complaint": complaint})
    assert response.headers["x-request-id"]
    assert ("retry-after" in response.headers) == (status == 429)


async def test_a_fault_is_logged_without_its_words(client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    response = await client.get("/broken")
    assert f"KeyError in request {response.headers['x-request-id']}" in caplog.text
    assert PROMPT not in caplog.text


def test_errors_are_documented_in_the_dialect(app: FastAPI) -> None:
    document: dict[str, Any] = app.openapi()
    responses = document["paths"]["/full"]["get"]["responses"]
    assert {"418", "429", "500"} <= set(responses)
    for status in ("418", "429", "500"):
        schema = responses[status]["content"]["application/json"]["schema"]
        assert schema == {"$ref": "#/components/schemas/Complaint"}
    assert "Complaint" in document["components"]["schemas"]
