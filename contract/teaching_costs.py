"""What teaching takes: seconds by model and method, as workers have measured them, and what follows for a request."""

from collections.abc import Mapping

from contract.costs import Forecast
from contract.fine_tuning import CompleteFineTune
from contract.lines import FINE_TUNES
from contract.store_connection import StoreConnection, unavailable_when_unreachable

KEY = FINE_TUNES.key("costs")


class TeachingCosts:
    """Promise: what one worker has measured is what all are predicted by, until another measures.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._redis = connection.redis

    async def report(self, request: CompleteFineTune, seconds_per_step: float) -> None:
        """Says what a step of such a request has taken."""
        with unavailable_when_unreachable():
            await self._redis.hset(KEY, _name(request), repr(seconds_per_step / _pixels(request)))

    async def forecast(self, request: CompleteFineTune) -> Forecast | None:
        """What a request needs; None when its model has never been taught in this way."""
        with unavailable_when_unreachable():
            known = await self._redis.hgetall(KEY)
        return _forecast(request, known)

    async def forecasts(self, requests: list[CompleteFineTune]) -> list[Forecast | None]:
        """The same of several."""
        with unavailable_when_unreachable():
            known = await self._redis.hgetall(KEY)
        return [_forecast(request, known) for request in requests]


def _forecast(request: CompleteFineTune, known: Mapping[str, str]) -> Forecast | None:
    per_pixel = known.get(_name(request))
    if per_pixel is None:
        return None
    seconds = float(per_pixel) * _pixels(request) * request.steps
    return Forecast(work_seconds=seconds, own_seconds=seconds)


def _name(request: CompleteFineTune) -> str:
    return f"{request.method} {request.model}"


def _pixels(request: CompleteFineTune) -> int:
    """Of one step."""
    return request.batch_size * request.resolution**2
