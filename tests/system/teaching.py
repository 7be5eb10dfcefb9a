"""Fine-tunes of a tiny model in an installation: what is taught, by whom, and how a test waits for it."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from contract.catalogue import read_catalogue
from contract.dataset_store import DatasetStore
from contract.datasets import Dataset, NewPicture
from contract.file_content import FileContent
from contract.fine_tunes import FineTune, FineTuneStore
from contract.fine_tuning import FineTuneRequest
from contract.recipes import complete
from contract.terms import Terms
from tests.pictures import encoded
from tests.system.installation import Installation
from tests.waiting import wait_until_async

NUM_STEPS = 150


class Teaching:
    """One data set in an installation, and those who teach it."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self.dataset: Dataset | None = None

    @property
    def jobs(self) -> FineTuneStore:
        return FineTuneStore(self.installation.connection, retention_seconds=3600)

    def start(self, **environment: str) -> psutil.Process:
        """Somebody who teaches."""
        return self.installation.start(sys.executable, "-m", "worker.fine_tuning", **environment)

    async def submit(self, **changes: Any) -> str:
        """Asks for a LoRA of some steps, with these changes; the id of the job."""
        installation = self.installation
        if self.dataset is None:
            store = DatasetStore(installation.connection, installation.artifacts)
            self.dataset = await store.create(store.fresh("colours"), _pictures(), most=10)
        said = {"dataset": self.dataset.id, "method": "lora", "trigger": "zorbling", "steps": NUM_STEPS, "seed": 7}
        said |= {"rank": 2, "checkpoint_every": 10, "sample_every": NUM_STEPS, "batch_size": 1, "resolution": 32}
        asked = FineTuneRequest.model_validate(said | changes)
        catalogue = read_catalogue(Path(installation.environment["SAFELIGHT_CATALOGUE"]))
        request = complete(asked, catalogue.models[0], self.dataset).request
        return (await self.jobs.admit(asked, request, Terms(), max_queued=9, dataset=self.dataset)).job.id

    async def until(self, job_id: str, *statuses: str, timeout_seconds: float = 90) -> FineTune:
        """The fine-tune, once it has one of these statuses."""

        async def found() -> FineTune | None:
            job = await self.jobs.get(job_id)
            return job if job.status in statuses else None

        try:
            return await wait_until_async(found, timeout_seconds)
        except AssertionError as error:
            raise AssertionError(f"{await self.jobs.get(job_id)}\n{self.installation.log.read_text()}") from error

    async def until_checkpoint(self, job_id: str, after: int = 0) -> int:
        """The step of the last checkpoint, once there is one of a later step."""

        async def reached() -> int | None:
            checkpoint = (await self.jobs.get(job_id)).checkpoint
            return checkpoint.step if checkpoint and checkpoint.step > after else None

        try:
            return await wait_until_async(reached, 90)
        except AssertionError as error:
            raise AssertionError(self.installation.log.read_text()) from error


async def _pictures() -> AsyncIterator[NewPicture]:
    for seed in range(3):
        yield _picture(seed)


def _picture(seed: int) -> NewPicture:
    pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    content = FileContent("image", "image/png", encoded(Image.fromarray(pixels)), 32, 32)
    return NewPicture(f"{seed}.png", f"a thing of number {seed}", content)
