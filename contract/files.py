"""Files that clients have sent: records in Redis, bytes in the artifact store, and the order in which both come and go.

The bytes are announced before they are stored and removed before their record is, so that whatever is interrupted, the
next sweep finds it. A job that waits or runs holds its files: they outlive their time and cannot be removed.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict

from contract.artifact_store import ArtifactStore
from contract.errors import FileInUse, UnknownArtifact, UnknownFile
from contract.file_content import FileContent
from contract.file_ids import FileKind, new_file_id, storage_key_of
from contract.store_connection import StoreConnection, unavailable_when_unreachable
from contract.tenants import PUBLIC, index_of

EXPIRING = "safelight:files:expiring"
ANNOUNCED_SECONDS = 3600
"""What was announced and has no record after this long is an upload that was interrupted."""

OF_PICTURES = ("width", "height", "darkest", "brightest")
"""Numbers that records of pictures have, and others have not."""


class StoredFile(BaseModel):
    """One file. `sha256` is the hex digest of the bytes; after `expires_at` nobody can name it."""

    model_config = ConfigDict(frozen=True)

    id: str
    tenant: str = PUBLIC
    kind: FileKind
    media_type: str
    width: int | None
    height: int | None
    darkest: int | None
    brightest: int | None
    size_bytes: int
    sha256: str
    created_at: datetime
    expires_at: datetime

    @property
    def storage_key(self) -> str:
        """Where the bytes are in the artifact store."""
        return storage_key_of(self.id)


class StagedFile(NamedTuple):
    """A file whose bytes are stored and that nobody can see yet: its id, and the fields and values of its record."""

    id: str
    record: tuple[str | int, ...]


class FileStore:
    """Promise: a file that can be read is whole; every stored byte is named by a record or by an announcement.

    A store that is one tenant's knows that tenant's files only; without a tenant it is the house's own, as with jobs.

    All methods raise StoreUnavailable when a store does not answer.
    """

    def __init__(self, connection: StoreConnection, artifacts: ArtifactStore, tenant: str | None = None) -> None:
        self._connection = connection
        self._redis = connection.redis
        self._artifacts = artifacts
        self._tenant = tenant

    def of(self, tenant: str) -> "FileStore":
        """The same store, as this tenant's."""
        return FileStore(self._connection, self._artifacts, tenant)

    async def add(self, file: FileContent, *, ttl_seconds: float) -> StoredFile:
        """Keeps a file under a fresh id."""
        staged = await self.stage(file)
        tenant = self._tenant or PUBLIC
        return _file(
            staged.id, await self._connection.run("create_file", staged.id, ttl_seconds, tenant, *staged.record)
        )

    async def stage(self, file: FileContent) -> StagedFile:
        """Stores a file's bytes, announced, for a script to make its record; without one they go after a while."""
        file_id = new_file_id()
        with unavailable_when_unreachable():
            await self._redis.zadd(EXPIRING, {file_id: _now() + ANNOUNCED_SECONDS})
        await self._artifacts.put(storage_key_of(file_id), file.content)
        said: dict[str, str | int] = {
            "kind": file.kind,
            "media_type": file.media_type,
            "size_bytes": len(file.content),
            "sha256": sha256(file.content).hexdigest(),
        }
        said |= {name: number for name in OF_PICTURES if (number := getattr(file, name)) is not None}
        return StagedFile(file_id, tuple(part for pair in said.items() for part in pair))

    async def get(self, file_id: str) -> StoredFile:
        """The file's record. Raises: UnknownFile."""
        found = [file async for file in self._records([file_id])]
        if not found:
            raise UnknownFile(f"There is no file {file_id!r}.")
        return found[0]

    async def read(self, file: StoredFile) -> bytes:
        """The file's bytes. Raises: UnknownFile."""
        try:
            return await self._artifacts.get(file.storage_key)
        except UnknownArtifact as error:
            raise UnknownFile(f"The bytes of the file {file.id!r} are gone.") from error

    async def page(self, *, limit: int, cursor: int | None = None) -> tuple[list[StoredFile], int | None]:
        """Up to `limit` files, newest first, older than `cursor`; and the cursor of the next page, if there is one."""
        newest = "+inf" if cursor is None else f"({cursor}"
        with unavailable_when_unreachable():
            page = await self._redis.zrevrangebyscore(
                index_of("safelight:files", self._tenant), newest, "-inf", start=0, num=limit + 1, withscores=True
            )
        files = [file async for file in self._records([file_id for file_id, _ in page[:limit]])]
        return files, int(page[limit - 1][1]) if len(page) > limit else None

    async def remove(self, file_id: str) -> None:
        """Removes a file. Raises: UnknownFile, FileInUse."""
        match await self._connection.run("retire_file", file_id, "asked", self._tenant or ""):
            case "unknown":
                raise UnknownFile(f"There is no file {file_id!r}.")
            case "in_use":
                raise FileInUse("A job that has not ended uses this file; cancel it first.")
        await self._bury(file_id)

    async def sweep(self, limit: int) -> None:
        """Removes files whose time is over, and what interrupted calls have left; what is in use is left for later."""
        with unavailable_when_unreachable():
            ids = await self._redis.zrangebyscore(EXPIRING, "-inf", _now(), start=0, num=limit)
        for file_id in ids:
            if await self._connection.run("retire_file", file_id, "expired", "") != "in_use":
                await self._bury(file_id)

    async def _bury(self, file_id: str) -> None:
        await self._artifacts.delete(storage_key_of(file_id))
        await self._connection.run("forget_file", file_id)

    async def _records(self, file_ids: Sequence[str]) -> AsyncIterator[StoredFile]:
        records = await self._connection.pipelined([("HGETALL", f"safelight:file:{file_id}") for file_id in file_ids])
        for file_id, fields in zip(file_ids, records, strict=True):
            if fields and "retired" not in fields and float(fields["expires_at"]) > _now():
                file = _file(file_id, fields)
                if self._tenant in (None, file.tenant):
                    yield file


def _file(file_id: str, fields: dict[str, Any] | list[Any]) -> StoredFile:
    if isinstance(fields, list):
        fields = dict(zip(fields[::2], fields[1::2], strict=True))
    return StoredFile(
        id=file_id,
        tenant=fields.get("tenant", PUBLIC),
        kind=fields["kind"],
        media_type=fields["media_type"],
        width=_number(fields.get("width")),
        height=_number(fields.get("height")),
        darkest=_number(fields.get("darkest")),
        brightest=_number(fields.get("brightest")),
        size_bytes=int(fields["size_bytes"]),
        sha256=fields["sha256"],
        created_at=datetime.fromtimestamp(float(fields["created_at"]), UTC),
        expires_at=datetime.fromtimestamp(float(fields["expires_at"]), UTC),
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def _now() -> float:
    return datetime.now(UTC).timestamp()
