"""Where a worker has the models that were taught: their files come from the artifact store once, and stay a while."""

import asyncio
import hashlib
import os
import shutil
from functools import cached_property
from pathlib import Path

from contract.artifact_store import ArtifactStore
from contract.catalogue import ModelSpec, read_catalogue
from contract.errors import ModelUnavailable, UnknownArtifact, UnknownModel
from contract.fine_tunes import FineTuneFile, FineTuneStore
from contract.rows import LocalSource
from contract.store_connection import StoreConnection
from contract.taught_models import TaughtModels, is_taught
from worker.settings import WorkerSettings

CHUNK_BYTES = 8 << 20

MOST_MODELS = 16
"""The least recently ordered goes first. One that is in memory stays there."""


class TaughtFiles:
    """Promise: what is in a model's folder is whole, and is what its fine-tune has left."""

    def __init__(self, settings: WorkerSettings, connection: StoreConnection, artifacts: ArtifactStore) -> None:
        self._settings = settings
        self._fine_tunes = FineTuneStore(connection, retention_seconds=settings.retention_seconds)
        self._artifacts = artifacts
        self._folder = settings.home / "taught"

    @cached_property
    def _models(self) -> TaughtModels:
        return TaughtModels(self._fine_tunes, read_catalogue(self._settings.catalogue))

    async def row(self, model_id: str) -> ModelSpec | None:
        """The row of a model that was taught, its files here; None for one of the catalogue's.

        Raises: UnknownModel, ModelUnavailable, StoreUnavailable.
        """
        if not is_taught(model_id):
            return None
        fine_tune = await self._models.find(model_id)
        unet = self._place(fine_tune.id)
        for file in fine_tune.result.files if fine_tune.result else ():
            if file.layout == "model" and not (unet / file.name).exists():
                await self._read(file, unet / file.name)
        return self._models.row_of(fine_tune).model_copy(update={"unet": LocalSource(path=unet)})

    def _place(self, model_id: str) -> Path:
        """Where the model's U-Net is or will be; room is made for it."""
        unet = self._folder / model_id / "unet"
        unet.mkdir(parents=True, exist_ok=True)
        os.utime(unet.parent)
        folders = sorted(self._folder.iterdir(), key=lambda folder: folder.stat().st_mtime, reverse=True)
        for folder in folders[MOST_MODELS:]:
            shutil.rmtree(folder, ignore_errors=True)
        return unet

    async def _read(self, file: FineTuneFile, place: Path) -> None:
        unfinished, digest = place.with_suffix(".part"), hashlib.sha256()
        try:
            with unfinished.open("wb") as output:
                for start in range(0, file.size_bytes, CHUNK_BYTES):
                    end = min(start + CHUNK_BYTES, file.size_bytes)
                    chunk = await self._artifacts.get(file.storage_key, start, end)
                    digest.update(chunk)
                    await asyncio.to_thread(output.write, chunk)
        except UnknownArtifact as error:
            raise UnknownModel(f"The file {file.name} of this model is gone.", field="model") from error
        except OSError as error:
            raise ModelUnavailable(f"The file {file.name} of this model cannot be kept: {error.strerror}.") from error
        if digest.hexdigest() != file.sha256:
            raise ModelUnavailable(f"The file {file.name} of this model is not what the fine-tune left.")
        unfinished.replace(place)
