"""What the child says of itself: its counts now and then; what it has in memory and has proven when that is news."""

import json
import time
from collections.abc import Callable
from typing import Any

from contract.certificates import ModelCertificate
from worker.engine import Engine
from worker.events import Picture
from worker.lane import Lane
from worker.messages import Certified, Measured, Resident, ToParent, Worked

CERTIFICATE_KEY = "safelight-certificate"
"""The keyword under which a file holds its certificate."""

INTERVAL_SECONDS = 1.0
"""Counts and costs change with every forward; they are told this often, as the parent's time is taken from forwards."""


class SelfReport:
    """Not for several threads."""

    def __init__(self, engine: Engine, send: Callable[[ToParent], None]) -> None:
        self._engine = engine
        self._send = send
        self._counters = engine.counters
        self._certificates: tuple[ModelCertificate, ...] = ()
        self._resident: tuple[str, ...] = ()
        self._told_at = 0.0

    def tick(self) -> None:
        """After each tick: says what has been done, in memory, proven and measured, as far as it is to be told now."""
        self._tell_news()
        if time.monotonic() - self._told_at > INTERVAL_SECONDS or not self._engine.has_work:
            self._told_at = time.monotonic()
            self._tell_counts()
            if lanes := self._engine.lanes:
                self._send(Measured(tuple(lane.cost for lane in lanes)))

    def _tell_counts(self) -> None:
        done = self._engine.counters - self._counters
        self._counters = self._engine.counters
        self._send(Worked(num_steps=done.num_steps, num_forwards=done.num_forwards, num_rows=done.num_rows))

    def _tell_news(self) -> None:
        lanes = self._engine.lanes
        certificates = tuple(certificate for lane in lanes if (certificate := _certificate(lane)) is not None)
        if certificates != self._certificates:
            self._certificates = certificates
            self._send(Certified(certificates))
        if self._engine.resident != self._resident:
            self._resident = self._engine.resident
            self._send(Resident(self._resident))


def texts_of(picture: Picture) -> dict[str, str]:
    """What a file says of how far it can be made again, by keyword; nothing where nothing was certified.

    Only what stays is said, so that the same picture is the same file.
    """
    said = said_of(picture)
    return {} if said is None else {CERTIFICATE_KEY: json.dumps(said)}


def said_of(picture: Picture) -> dict[str, Any] | None:
    """A picture's certificate as a JSON object; None where nothing was certified."""
    certificate = picture.certificate
    if certificate is None:
        return None
    return {
        "digest": certificate.digest,
        "reproducibility": certificate.reproducibility,
        "tolerance": certificate.tolerance,
        **certificate.setting._asdict(),
        "buckets": certificate.buckets,
    }


def _certificate(lane: Lane) -> ModelCertificate | None:
    certificate = lane.certificate
    if certificate is None:
        return None
    return ModelCertificate(
        model=certificate.model,
        height=certificate.height,
        width=certificate.width,
        **certificate.setting._asdict(),
        buckets=certificate.buckets,
        row_cap=lane.pace.row_cap,
        reproducibility=certificate.reproducibility,
        tolerance=certificate.tolerance,
        weights_sha256=certificate.weights_sha256,
        digest=certificate.digest,
    )
