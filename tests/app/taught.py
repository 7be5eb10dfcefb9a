"""Somebody who plays the part of those who teach, and data sets to teach from."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from contract.artifact_store import ArtifactStore
from contract.files import FileStore
from contract.fine_tunes import FineTuneStore
from contract.fine_tuning import Card
from contract.leases import Lease, Leases, Made
from contract.lines import FINE_TUNES
from contract.store_connection import StoreConnection
from tests.pictures import encoded, gradient
from worker.fine_tuning.messages import Checkpointed, ResultFile, Sampled
from worker.fine_tuning.uploads import Uploads

GRID = encoded(gradient())
WEIGHTS = b"what was learnt"


@dataclass
class Teacher:
    """Does what a process that teaches does, one call at a time."""

    connection: StoreConnection
    artifacts: ArtifactStore
    folder: Path

    @property
    def jobs(self) -> FineTuneStore:
        return FineTuneStore(self.connection, retention_seconds=3600)

    @property
    def leases(self) -> Leases:
        return Leases(self.connection, lease_seconds=15, max_attempts=3, retention_seconds=3600, line=FINE_TUNES)

    def uploads(self, lease: Lease) -> Uploads:
        files = FileStore(self.connection, self.artifacts)
        return Uploads(lease, self.leases, self.artifacts, files, patience_seconds=0, ttl_seconds=3600)

    async def claim(self) -> Lease:
        lease = await self.leases.claim("teacher")
        assert lease is not None
        return lease

    async def step(self, lease: Lease, step: int) -> None:
        measured = json.dumps({"loss": 0.25, "learning_rate": 0.001})
        told = json.dumps({"step": step, "loss": 0.25})
        assert await self.leases.report(lease, step, 1.5, [("progress", told)], measured)

    async def sample(self, lease: Lease, step: int) -> None:
        await self.uploads(lease).sample(Sampled(step, GRID, ("zorbling",)))

    async def checkpoint(self, lease: Lease, step: int) -> None:
        path = self.folder / f"checkpoint-{step}"
        path.write_bytes(f"after {step}".encode())
        await self.uploads(lease).checkpoint(Checkpointed(step, path))

    async def learnt(self, lease: Lease, *names: str) -> Made:
        """What was learnt, stored: files for diffusers first, and for other programs."""
        job = await self.jobs.get(lease.job_id)
        files = []
        for name in names or ("lora.safetensors", "kohya.safetensors"):
            path = self.folder / name
            path.write_bytes(WEIGHTS + name.encode())
            files.append(ResultFile(name, path, "kohya" if name.startswith("kohya") else "diffusers"))
        card = Card(
            dataset_digest=job.request.dataset_digest,
            num_pictures=1,
            recipe=job.request.again,
            held_out="noise",
            held_out_loss_before=0.3,
            held_out_loss_after=0.2,
            drift=0.01,
            seconds=1.0,
            safelight_version="0",
        )
        return await self.uploads(lease).result(files, card)

    async def finish(self, *, kept_as_file: bool = True) -> Lease:
        """Runs the next fine-tune to its good end; what it has learnt is an adapter, or for other programs alone."""
        lease = await self.claim()
        await self.sample(lease, 0)
        await self.checkpoint(lease, 1)
        await self.step(lease, 2)
        names = ("lora.safetensors", "kohya.safetensors") if kept_as_file else ("kohya-lora.safetensors",)
        assert await self.leases.settle(lease, "succeeded", made=await self.learnt(lease, *names))
        return lease


async def dataset_of(client: httpx.AsyncClient, captions: str = "a thing", size: int = 128) -> str:
    """The id of a data set with one picture."""
    files = [("files", ("a.png", encoded(gradient(size, size)))), ("files", ("a.txt", captions.encode()))]
    response = await client.post("/v1/datasets", files=files)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


async def ask(client: httpx.AsyncClient, **said: Any) -> httpx.Response:
    """Asks for a fine-tune; what it leaves open is a LoRA of a new data set."""
    params, headers = said.pop("params", None), said.pop("headers", None)
    dataset = said.pop("dataset", None) or await dataset_of(client)
    body = {"dataset": dataset, "method": "lora", "trigger": "zorbling", "steps": 8} | said
    return await client.post("/v1/fine-tunes", json=body, params=params, headers=headers)


async def submitted(client: httpx.AsyncClient, **said: Any) -> str:
    """The id of a new fine-tune."""
    response = await ask(client, **said)
    assert response.status_code == 202, response.text
    return str(response.json()["id"])
