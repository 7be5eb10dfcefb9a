"""What Replicate's SDK has methods for and this service has not: each is refused in words that the SDK shows."""

from types import MappingProxyType

from fastapi import APIRouter, Depends
from starlette.requests import Request

from app.auth import caller
from app.dialects.replicate.route import ReplicateRoute
from app.errors import UnknownPath

router = APIRouter(prefix="/v1", route_class=ReplicateRoute, dependencies=[Depends(caller)])

NOT_HERE = MappingProxyType(
    {
        "collections": "There are no collections; GET /v1/models lists all models.",
        "deployments": "There are no deployments; every model on offer can be asked for predictions.",
        "hardware": "There is no choice of hardware.",
        "trainings": "There are no trainings.",
    }
)
METHODS = ["GET", "POST", "PATCH", "DELETE"]


async def refuse(request: Request) -> None:
    """Says what is not here. Raises: UnknownPath."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    raise UnknownPath(NOT_HERE[path.split("/")[2]])


for name in NOT_HERE:
    for path in (f"/{name}", f"/{name}/{{rest:path}}"):
        router.add_api_route(path, refuse, methods=METHODS, include_in_schema=False)
