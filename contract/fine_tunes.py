"""Fine-tunes in Redis: what is kept of one, and what there is of them beside what every job has."""

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from contract.fine_tuning import Card, CompleteFineTune, Layout
from contract.job import JobRecord
from contract.job_records import common_of
from contract.jobs import Jobs
from contract.lines import FINE_TUNES

PREFIX = "ft_"

ROWS_PER_STEP = 3
"""What a step takes for each picture in it, in steps of denoising: forwards once, and back twice as long."""


class _Stored(BaseModel):
    """Bytes in the artifact store; clients never see where."""

    model_config = ConfigDict(frozen=True)

    storage_key: str
    size_bytes: int
    sha256: str


class FineTuneSample(_Stored):
    """One grid, a PNG with a row for each prompt."""

    step: int
    prompts: tuple[str, ...]


class FineTuneCheckpoint(_Stored):
    """All that a run needs to go on after this step; there is never more than the last one."""

    step: int


class FineTuneFile(_Stored):
    """One file of a result."""

    name: str
    layout: Layout


class FineTuneResult(BaseModel):
    """What was learnt. `adapter_file` is the tenant's file that requests may name, where the result is an adapter; the
    card is missing where the run was ended before its time.
    """

    model_config = ConfigDict(frozen=True)

    files: tuple[FineTuneFile, ...]
    adapter_file: str | None = None
    card: Card | None = None

    @property
    def is_model(self) -> bool:
        """Whether it is a model rather than an adapter."""
        return any(file.layout == "model" for file in self.files)

    def file(self, name: str) -> FineTuneFile | None:
        """The file with this name."""
        return next((file for file in self.files if file.name == name), None)


class FineTune(JobRecord):
    """One accepted request to teach a model, and what became of it."""

    kind: Literal["fine_tune"] = "fine_tune"
    request: CompleteFineTune
    loss: float | None = None
    learning_rate: float | None = None
    samples: tuple[FineTuneSample, ...] = ()
    checkpoint: FineTuneCheckpoint | None = None
    result: FineTuneResult | None = None

    agreed = (*JobRecord.agreed, "request", "warnings")


def read_fine_tune(job_id: str, fields: dict[str, str]) -> FineTune:
    """The fine-tune in a hash."""
    measured: dict[str, Any] = json.loads(fields.get("measured", "{}"))
    samples = (FineTuneSample.model_validate_json(text) for name, text in fields.items() if name.startswith("sample:"))
    return FineTune(
        **common_of(job_id, fields),
        **measured,
        request=CompleteFineTune.model_validate_json(fields["request"]),
        samples=tuple(sorted(samples, key=lambda sample: sample.step)),
        checkpoint=FineTuneCheckpoint.model_validate_json(fields["checkpoint"]) if "checkpoint" in fields else None,
        result=FineTuneResult.model_validate_json(fields["result"]) if "result" in fields else None,
    )


class FineTuneStore(Jobs[FineTune, CompleteFineTune]):
    """Promise: as `Jobs`."""

    line = FINE_TUNES
    id_prefix = PREFIX

    def _read(self, job_id: str, fields: dict[str, str]) -> FineTune:
        return read_fine_tune(job_id, fields)

    def _cost(self, complete: CompleteFineTune) -> int:
        return pixel_steps(complete)


def pixel_steps(request: CompleteFineTune) -> int:
    """What a fine-tune asks of a device, in steps of denoising of one pixel."""
    return ROWS_PER_STEP * request.steps * request.batch_size * request.resolution**2
