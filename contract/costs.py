"""What work costs: seconds of a device by model and size, as workers measure them, and what follows for a request."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from contract.guidance import ClassifierFree, Price, price
from contract.request import CompleteRequest, Scheduler
from contract.store_connection import StoreConnection, unavailable_when_unreachable

TWO_EVALUATIONS: frozenset[Scheduler] = frozenset({"heun", "heun_karras", "heun_trailing"})
"""Schedulers that call the network twice in every step but the last."""

KEPT_SECONDS = 24 * 3600
"""How long a worker's word is kept after it was last said: a service that starts again knows what things cost."""

AGREEING_SECONDS = 60
"""What was said within this long of the newest word counts as much as that one."""

CACHED_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What one model costs at one size on one worker.

    `seconds_per_row` is one row of one network evaluation where rows share full forwards, `seconds_per_forward_alone`
    one forward of an image that has the device to itself, `seconds_per_decode` one picture from its latents.
    """

    model: str
    height: int
    width: int
    seconds_per_row: float
    seconds_per_forward_alone: float
    seconds_per_decode: float

    def scaled(self, factor: float) -> "Cost":
        """The same model where everything takes so many times as long."""
        return Cost(
            self.model,
            self.height,
            self.width,
            self.seconds_per_row * factor,
            self.seconds_per_forward_alone * factor,
            self.seconds_per_decode * factor,
        )


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a job needs: `work_seconds` of a device that is full, and `own_seconds` from its start to its end."""

    work_seconds: float
    own_seconds: float

    @property
    def microseconds(self) -> dict[str, int]:
        """What sums of work are kept in, so that they come to nothing again."""
        seconds = {"work": self.work_seconds, "own": self.own_seconds}
        return {what: max(1, round(each * 1e6)) for what, each in seconds.items()}


class CostTable:
    """Costs by model and size."""

    def __init__(self, costs: Iterable[Cost] = ()) -> None:
        self.costs: Mapping[tuple[str, int, int], Cost] = {
            (cost.model, cost.height, cost.width): cost for cost in costs
        }

    def forecast(self, request: CompleteRequest, company: Iterable[CompleteRequest] = ()) -> Forecast | None:
        """What a request needs; None when its model has never been measured.

        `company` is one request for every image that is on the device too, to its end.
        """
        cost = self.cost(request.model, request.height, request.width)
        if cost is None:
            return None
        rows = num_rows(request) * request.num_images
        decodes = request.num_images * cost.seconds_per_decode
        shared = sum(self._tick_seconds(other) for other in company)
        tick = max(cost.seconds_per_forward_alone, rows * cost.seconds_per_row + shared)
        evaluations = num_evaluations(request)
        return Forecast(evaluations * rows * cost.seconds_per_row + decodes, evaluations * tick + decodes)

    def _tick_seconds(self, request: CompleteRequest) -> float:
        cost = self.cost(request.model, request.height, request.width)
        return 0.0 if cost is None else num_rows(request) * cost.seconds_per_row

    def cost(self, model: str, height: int, width: int) -> Cost | None:
        """The cost of a model at a size, from the measured size that is nearest in pixels.

        With one measured size, seconds are in proportion to pixels; with more, to the power of pixels that fits best.
        """
        measured = [cost for cost in self.costs.values() if cost.model == model]
        if not measured:
            return None
        pixels = height * width
        nearest = min(measured, key=lambda cost: abs(math.log(_pixels(cost) / pixels)))
        exact = self.costs.get((model, height, width), nearest)
        return exact.scaled((pixels / _pixels(exact)) ** _exponent(measured))


ROWS_PER_GRADIENT = 3
"""What a way forwards and back through the network and the autoencoder takes, in rows of the network."""


def num_evaluations(request: CompleteRequest) -> int:
    """Calls of the network for one image of a request."""
    steps = request.num_steps
    calls = 2 * steps - 1 if request.scheduler in TWO_EVALUATIONS else steps
    return calls * price(request.guidance).recurrence * request.num_resamplings


def num_rows(request: CompleteRequest) -> int:
    """Rows of one such call at most, and what takes as long as rows."""
    call = _price(request)
    return call.num_rows + ROWS_PER_GRADIENT * call.num_gradients


@dataclass(frozen=True, slots=True)
class Amount:
    """What a request asks of the device at most, in numbers that every device shares; intervals of guidance save some.

    `num_rows` pass through the network; `num_gradients` back through it and the autoencoder,
    `num_classifier_gradients` back through a classifier of latents alone.
    """

    num_rows: int
    num_gradients: int
    num_classifier_gradients: int


def amount(request: CompleteRequest) -> Amount:
    """The work of all images of a request."""
    calls, call = num_evaluations(request) * request.num_images, _price(request)
    return Amount(calls * call.num_rows, calls * call.num_gradients, calls * call.num_classifier_gradients)


def pixel_steps(request: CompleteRequest) -> int:
    """What a request costs where costs are bounded: denoising steps of pixels, of all images."""
    recurrence = price(request.guidance).recurrence * request.num_resamplings
    return request.height * request.width * request.total_steps * recurrence


def _price(request: CompleteRequest) -> Price:
    """What one call takes, for guidance and for an edit; in the step that takes most, where steps differ."""
    call = price(request.guidance)
    scales = {moment.guidance_scale for moment in request.moments} if request.intervene else {None}
    return call._replace(
        num_rows=max(_rows_at(scale, request, call) for scale in scales) + request.num_edit_rows,
        num_gradients=call.num_gradients + request.num_edit_gradients,
    )


def _rows_at(scale: float | None, request: CompleteRequest, call: Price) -> int:
    """The rows of a step, where an intervention has set the scale of classifier-free guidance to this."""
    if scale is None:
        return call.num_rows
    own = sum(one.price.num_rows for one in request.guidance if isinstance(one, ClassifierFree))
    return call.num_rows - own + (scale != 1)


def _pixels(cost: Cost) -> int:
    return cost.height * cost.width


def _exponent(measured: Sequence[Cost]) -> float:
    """The slope of log seconds over log pixels, by least squares; between none at all and the square of the pixels."""
    logs = [(math.log(_pixels(cost)), math.log(max(cost.seconds_per_row, 1e-9))) for cost in measured]
    mean_x, mean_y = (fmean(values) for values in zip(*logs, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in logs)
    if spread < 1e-9:
        return 1.0
    return min(2.0, max(0.0, sum((x - mean_x) * (y - mean_y) for x, y in logs) / spread))


class Costs:
    """What all workers say that things cost.

    All methods raise StoreUnavailable within two seconds when the server does not answer.
    """

    def __init__(self, connection: StoreConnection) -> None:
        self._redis = connection.redis
        self._table = CostTable()
        self._read_at = -math.inf

    async def report(self, worker: str, costs: Sequence[Cost]) -> None:
        """Says what a worker has measured, all of it; what it said before is forgotten."""
        said = json.dumps({"said_at": time.time(), "costs": [asdict(cost) for cost in costs]})
        with unavailable_when_unreachable():
            await self._redis.hset(KEY, worker, said)
            await self._redis.expire(KEY, KEPT_SECONDS)

    async def read(self) -> CostTable:
        """The mean of what workers say now, or what the last ones said; as it was up to CACHED_SECONDS ago."""
        if time.monotonic() - self._read_at > CACHED_SECONDS:
            with unavailable_when_unreachable():
                said = await self._redis.hgetall(KEY)
            await self._forget(worker for worker, words in said.items() if _age(json.loads(words)) > KEPT_SECONDS)
            self._table = CostTable(_agreed([json.loads(words) for words in said.values()]))
            self._read_at = time.monotonic()
        return self._table

    async def _forget(self, workers: Iterable[str]) -> None:
        with unavailable_when_unreachable():
            for worker in workers:
                await self._redis.hdel(KEY, worker)


KEY = "safelight:costs"


def _age(words: Mapping[str, Any]) -> float:
    return time.time() - float(words["said_at"])


def _agreed(said: Iterable[Mapping[str, Any]]) -> list[Cost]:
    """One cost for each model and size: the mean of the newest words on it."""
    by_key: dict[tuple[str, int, int], list[tuple[float, Cost]]] = defaultdict(list)
    for words in said:
        for entry in words["costs"]:
            cost = Cost(**entry)
            by_key[cost.model, cost.height, cost.width].append((float(words["said_at"]), cost))
    return [_mean(*key, words) for key, words in by_key.items()]


def _mean(model: str, height: int, width: int, words: Sequence[tuple[float, Cost]]) -> Cost:
    newest = max(said_at for said_at, _ in words)
    costs = [cost for said_at, cost in words if newest - said_at <= AGREEING_SECONDS]
    return Cost(
        model,
        height,
        width,
        fmean(cost.seconds_per_row for cost in costs),
        fmean(cost.seconds_per_forward_alone for cost in costs),
        fmean(cost.seconds_per_decode for cost in costs),
    )
