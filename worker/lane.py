"""A lane: what the images of one model and size have in common, which may share forwards."""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from contract.costs import Cost
from worker.bucket import Bucket, Row
from worker.certificate import Certificate, Shape
from worker.devices import as_written
from worker.images import Pixels, pixels_of
from worker.pace import Pace, blend
from worker.shares import Shares
from worker.stepwise_pipeline import StepwisePipeline

Measuring = Iterator[Certificate | None]
"""Measures one forward size at a time; the certificate comes last."""


@dataclass(frozen=True, slots=True)
class LaneKey:
    """What must be equal for rows to share a forward."""

    model: str
    height: int
    width: int
    shape: Shape
    eager: bool = False
    """Whether a compiled network runs as it was written, as what steers its rows is not compiled."""


class Lane:
    """Forwards of the certified sizes. Not for several threads. It keeps no model: pipelines come with each call.

    Promise: where the certificate says `exact`, the bits of a row's output depend on that row alone.
    """

    def __init__(self, key: LaneKey, measuring: Measuring, device: torch.device) -> None:
        self.key = key
        self.deficit = 0.0
        self.shares = Shares()
        self.certificate: Certificate | None = None
        self.pace = Pace({1: 0.0})
        """Until the certificate is there, what one size more took to measure."""
        self._seconds_per_decode = 0.0
        self._measuring: Measuring | None = measuring
        self.device = device
        self._buckets: dict[int, Bucket] = {}

    def measure(self) -> None:
        """Measures one size more; after the last one there is a certificate, and the lane may be used."""
        started_at = time.perf_counter()
        certificate = None if self._measuring is None else next(self._measuring)
        self.pace = Pace({1: time.perf_counter() - started_at})
        if certificate is not None:
            self._measuring = None
            self.certificate = certificate
            self.pace = Pace(dict(zip(certificate.buckets, certificate.seconds, strict=True)))

    @property
    def next_seconds(self) -> float:
        """What the lane's next turn takes at most, as far as is known; two forwards are as rare as a cap of one row."""
        return self.pace.seconds_of(self.pace.row_cap)

    @property
    def cost(self) -> Cost:
        """What has been measured, as the price of work."""
        alone = self.pace.seconds_of(self.pace.size_for(2))
        key = self.key
        return Cost(key.model, key.height, key.width, self.pace.seconds_per_row, alone, self._seconds_per_decode)

    def forward(self, pipeline: StepwisePipeline, rows: Sequence[Row]) -> Tensor:
        """The network's output for each row, (B, C, H, W), in as many forwards as the cap on rows asks for."""
        largest = max(self.pace.sizes)
        parts = [self._forward(pipeline, rows[start : start + largest]) for start in range(0, len(rows), largest)]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def charge(self, started_at: float) -> float:
        """Takes seconds that no forward of rows took off what the lane may use of the device, and returns them."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - started_at
        self.deficit -= seconds
        return seconds

    def owe(self, tenants: Iterable[str], seconds: float) -> None:
        """Takes seconds that were spent for these tenants alone off their rows in the next forwards."""
        self.shares.owe(tenants, seconds / max(self.pace.seconds_per_row, 1e-9))

    def decode(self, pipeline: StepwisePipeline, latents: Tensor) -> Pixels:
        """The picture of latents (1, C, H, W); always one at a time, as the bits depend on how many there are."""
        started_at = time.perf_counter()
        pixels = pixels_of(pipeline.decode_latents(latents))
        seconds = time.perf_counter() - started_at
        self._seconds_per_decode = blend(self._seconds_per_decode or seconds, seconds)
        return pixels

    def forget_rows(self) -> None:
        """Lets go of the rows that fill up forwards; one of them may be what makes forwards fail."""
        self._buckets.clear()

    def _forward(self, pipeline: StepwisePipeline, rows: Sequence[Row]) -> Tensor:
        bucket = self._bucket(self.pace.size_for(len(rows)))
        bucket.fill(rows)
        started_at = time.perf_counter()
        with as_written(self.key.eager):
            output = pipeline.denoise(bucket.latents, bucket.timesteps, bucket.conditioning)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        if not any(row.steering or row.controls for row in rows):
            self.pace.note(bucket.size, time.perf_counter() - started_at)
        return output[: len(rows)]

    def _bucket(self, size: int) -> Bucket:
        if size not in self._buckets:
            self._buckets[size] = Bucket(size, self.key.shape, self.device)
        return self._buckets[size]
