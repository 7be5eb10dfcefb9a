"""What a fine-tune makes, on its way to where it can be seen: bytes first, then the word of them, fenced."""

import asyncio
import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from contract.artifact_store import ArtifactStore
from contract.file_content import FileContent
from contract.files import FileStore, StagedFile
from contract.fine_tunes import FineTuneCheckpoint, FineTuneFile, FineTuneResult, FineTuneSample
from contract.fine_tuning import Card, Layout
from contract.job_events import EventName
from contract.leases import Lease, Leases, Made
from worker.execution import until_available
from worker.fine_tuning.messages import Checkpointed, ResultFile, Sampled

ADAPTERS: tuple[Layout, ...] = ("diffusers", "embedding")
"""The layouts that requests can name as an adapter; others are for other programs."""


class Uploads:
    """Promise: nothing is visible before its bytes are stored, and nothing of an execution that has lost its lease.

    All methods wait out an outage of the stores, and raise ArtifactStoreUnavailable when that takes too long.
    """

    def __init__(
        self,
        lease: Lease,
        leases: Leases,
        artifacts: ArtifactStore,
        files: FileStore,
        *,
        patience_seconds: float,
        ttl_seconds: float,
    ) -> None:
        """`ttl_seconds` is how long a file lives that requests can name."""
        self._lease = lease
        self._leases = leases
        self._artifacts = artifacts
        self._files = files
        self._patience_seconds = patience_seconds
        self._ttl_seconds = ttl_seconds

    async def sample(self, message: Sampled) -> None:
        """Shows a grid; one that an earlier execution has shown stays."""
        stored = await self._stored(f"sample-{message.step}.png", message.grid)
        sample = FineTuneSample(step=message.step, prompts=message.prompts, **stored)
        visible, _ = await self._publish(f"sample:{message.step}", "sample", sample, anew=False)
        if not visible:
            await self._artifacts.delete(sample.storage_key)

    async def checkpoint(self, message: Checkpointed) -> None:
        """Keeps a checkpoint in the place of the one before it, which is removed."""
        stored = await self._stored(f"checkpoint-{message.step}", await _read(message.path))
        checkpoint = FineTuneCheckpoint(step=message.step, **stored)
        visible, before = await self._publish("checkpoint", "checkpoint", checkpoint, anew=True)
        if not visible:
            await self._artifacts.delete(checkpoint.storage_key)
        elif before:
            await self._artifacts.delete(FineTuneCheckpoint.model_validate_json(before).storage_key)

    async def read(self, checkpoint: FineTuneCheckpoint) -> bytes:
        """A checkpoint's bytes. Raises: UnknownArtifact."""
        return await until_available(partial(self._artifacts.get, checkpoint.storage_key), self._patience_seconds)

    async def result(self, files: Sequence[ResultFile], card: Card | None) -> Made:
        """Stores what was learnt; it becomes visible when the job is settled with this."""
        kept, adapter = [], None
        for file in files:
            content = await _read(file.path)
            stored = await self._stored(file.name, content)
            kept.append(FineTuneFile(name=file.name, layout=file.layout, **stored))
            if adapter is None and file.layout in ADAPTERS:
                adapter = await self._staged(content)
        result = FineTuneResult(files=tuple(kept), adapter_file=None if adapter is None else adapter.id, card=card)
        return Made(result.model_dump_json(), adapter, self._ttl_seconds)

    async def _staged(self, content: bytes) -> StagedFile:
        file = FileContent("weights", "application/octet-stream", content)
        return await until_available(partial(self._files.stage, file), self._patience_seconds)

    async def _stored(self, name: str, content: bytes) -> dict[str, str | int]:
        """Stores bytes under a name of this execution; says where, how many, and their digest."""
        key = f"{self._lease.job_id}/{self._lease.execution_id}/{name}"
        patience_seconds = self._patience_seconds - self._artifacts.refusing_seconds
        await until_available(partial(self._artifacts.put, key, content), patience_seconds)
        return {"storage_key": key, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}

    async def _publish(
        self, field: str, event: EventName, part: FineTuneSample | FineTuneCheckpoint, *, anew: bool
    ) -> tuple[bool, str]:
        told = part.model_dump_json(include={"step", "prompts"})
        publish = partial(self._leases.publish, self._lease, field, part.model_dump_json(), (event, told), anew=anew)
        return await until_available(publish)


async def _read(path: Path) -> bytes:
    return await asyncio.to_thread(path.read_bytes)
