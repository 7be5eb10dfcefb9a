"""Who may do what: the scope that each path wants, and the one place where a request is held against it."""

import re

from starlette.requests import Request

from app.callers import ANYBODY, Caller, Doorkeeper
from app.errors import Forbidden
from app.signatures import SignedAddress
from contract.keys import Scope

OPEN = re.compile(
    r"/|/teach|/inside(/source/.*)?|/web/.*|/healthz|/readyz|/openapi\.json|/docs(/.*)?|/v1/receipts/keys"
)
"""Paths that are everybody's: health, documentation, pages, and the keys that check receipts."""

OPERATORS = frozenset({"/metrics"})
"""Paths that want `admin`. Of all others, reading wants `read` and everything else `generate`."""

SECRETS = re.compile(r"/v1/webhooks/(default/)?secret")
"""Paths whose readers could pass for us, so that reading wants `generate` as well."""

ARTIFACT = re.compile(r"/v1/artifacts/([^/]+)")
"""Where a signed address will do."""

READING = frozenset({"GET", "HEAD"})
LOOKING = frozenset({"/v1/verify"})
"""Where POST changes nothing, and so wants `read`."""


def scope_of(path: str, method: str) -> Scope | None:
    """The scope that a path wants, or a template of paths; None where everybody may come."""
    if OPEN.fullmatch(path):
        return None
    if path in OPERATORS:
        return "admin"
    reading = method.upper() in READING or path in LOOKING
    return "read" if reading and not SECRETS.fullmatch(path) else "generate"


async def caller(request: Request) -> Caller:
    """Who asks, and may. Decided once a request, before its body is read.

    Raises: Unauthenticated, Forbidden, StoreUnavailable.
    """
    if not hasattr(request.state, "caller"):
        request.state.caller = await _permitted(request)
    found: Caller = request.state.caller
    return found


async def _permitted(request: Request) -> Caller:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    scope = scope_of(path, request.method)
    if scope is None:
        return ANYBODY
    doorkeeper: Doorkeeper = request.state.resources.doorkeeper
    authorization = request.headers.get("authorization")
    artifact = ARTIFACT.fullmatch(path)
    if artifact and authorization is None:
        signed = SignedAddress.read(request.method, artifact[1], request.query_params)
        if signed is not None:
            return await doorkeeper.holder(signed)
    found = await doorkeeper.caller(authorization)
    if scope not in found.scopes:
        raise Forbidden(f"This API key lacks the scope `{scope}`.")
    return found
