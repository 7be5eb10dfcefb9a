"""How other servers share a device, over the kernels of our engine: who may join which requests, and when."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.workload import Arrival
from contract.costs import num_rows
from contract.request import CompleteRequest
from worker.engine import Engine
from worker.events import Failed, Finished


class Waiting(NamedTuple):
    """A request that has come, and when."""

    name: str
    came_at: float
    request: CompleteRequest


Policy = Callable[[Sequence[Waiting], Sequence[CompleteRequest], int], Sequence[Waiting]]
"""Who may join now: of those who wait, given what is in flight and how many rows a forward has at most."""


def any_mix(waiting: Sequence[Waiting], in_flight: Sequence[CompleteRequest], row_cap: int) -> Sequence[Waiting]:
    """Ours: whoever is next, as long as forwards have room, and one more."""
    rows, joining = sum(map(num_rows, in_flight)), []
    for one in waiting:
        if rows >= row_cap + 2:
            break
        joining.append(one)
        rows += num_rows(one.request)
    return joining


def equal_requests(waiting: Sequence[Waiting], in_flight: Sequence[CompleteRequest], row_cap: int) -> Sequence[Waiting]:
    """B2, batches of whole requests (Triton, Ray Serve, BentoML): equal parameters start together and end together."""
    if in_flight or not waiting:
        return []
    key = _parameters(waiting[0].request)
    equal = [one for one in waiting if _parameters(one.request) == key]
    return equal[: max(1, row_cap // num_rows(waiting[0].request))]


def equal_steps(waiting: Sequence[Waiting], in_flight: Sequence[CompleteRequest], row_cap: int) -> Sequence[Waiting]:
    """B3, step-level batches keyed by size and guidance (vLLM-Omni): first come, first served; a misfit blocks."""
    rows, joining = sum(map(num_rows, in_flight)), []
    keys = {(request.height, request.width, request.guidance_scale) for request in in_flight}
    for one in waiting:
        key = (one.request.height, one.request.width, one.request.guidance_scale)
        if keys and (key not in keys or rows + num_rows(one.request) > row_cap):
            break
        keys, rows = {key}, rows + num_rows(one.request)
        joining.append(one)
    return joining


def _parameters(request: CompleteRequest) -> tuple[object, ...]:
    return request.height, request.width, request.num_inference_steps, request.guidance_scale, request.scheduler


class Run(NamedTuple):
    """What came of a run: how long each request took from its arrival, in order of ending, and the run itself."""

    latencies: list[float]
    seconds: float


def serve(engine: Engine, arrivals: Sequence[Arrival], policy: Policy, row_cap: int) -> Run:
    """Lets requests arrive on the clock and makes them all. Raises: RuntimeError, when one fails."""
    started_at = time.perf_counter()
    coming, waiting = deque(enumerate(arrivals)), list[Waiting]()
    in_flight: dict[str, Waiting] = {}
    latencies: list[float] = []
    while coming or waiting or in_flight:
        now = time.perf_counter() - started_at
        while coming and coming[0][1].at <= now:
            index, arrival = coming.popleft()
            waiting.append(Waiting(str(index), arrival.at, arrival.request))
        for one in policy(waiting, [other.request for other in in_flight.values()], row_cap):
            waiting.remove(one)
            in_flight[one.name] = one
            engine.add(one.name, one.request)
        if not in_flight:
            time.sleep(max(0.0, coming[0][1].at - now))
        ended = [in_flight.pop(name) for name in _ended(engine)]
        latencies += [time.perf_counter() - started_at - one.came_at for one in ended]
    return Run(latencies, time.perf_counter() - started_at)


def _ended(engine: Engine) -> list[str]:
    names = []
    for event in engine.step():
        if isinstance(event, Failed):
            raise RuntimeError(event.error.message)
        if isinstance(event, Finished):
            names.append(event.generation_id)
    return names
