"""What one API process holds while it runs: settings, catalogue, stores, metrics, pages, and the sign that it ends."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TypedDict

from app.callers import ANYBODY, Caller, Doorkeeper
from app.deny_list import DenyList
from app.errands import Errands
from app.file_kinds import FileChecker
from app.keyring import Keyring
from app.metrics import RequestMetrics
from app.operators_files import OperatorsFiles
from app.settings import AppSettings
from app.web_files import WebFile, read_web_files
from contract.architecture import Architectures
from contract.artifact_store import ArtifactStore
from contract.catalogue import Catalogue
from contract.certificates import Certificates
from contract.costs import Costs
from contract.dataset_store import DatasetStore
from contract.exposure import is_loopback
from contract.files import FileStore
from contract.fine_tunes import FineTuneStore
from contract.followers import Followers
from contract.job_store import JobStore
from contract.keys import KeyStore
from contract.liveness import Liveness
from contract.notes import Notes
from contract.origin import UNKNOWN, Origin
from contract.outbox import Outbox
from contract.receipt_keys import ReceiptKeys
from contract.signing import SigningSecrets
from contract.store_connection import StoreConnection
from contract.teaching_costs import TeachingCosts
from contract.tracing import Tracer
from contract.webhook_secrets import WebhookSecrets

ERRAND_SECONDS = 2.0
"""So long may take what calls have left to do when the process ends."""


@dataclass(frozen=True, slots=True)
class Resources:
    """`closing` is set when the process is about to end, so that whatever waits can stop waiting."""

    settings: AppSettings
    catalogue: Catalogue
    metrics: RequestMetrics
    closing: asyncio.Event
    connection: StoreConnection
    job_store: JobStore
    liveness: Liveness
    costs: Costs
    certificates: Certificates
    architectures: Architectures
    receipt_keys: ReceiptKeys
    artifacts: ArtifactStore
    files: FileStore
    datasets: DatasetStore
    fine_tunes: FineTuneStore
    teaching_costs: TeachingCosts
    file_checker: FileChecker
    deny_list: DenyList
    c2pa_anchors: str | None
    followers: Followers
    outbox: Outbox
    webhook_secrets: WebhookSecrets
    errands: Errands
    doorkeeper: Doorkeeper
    notes: Notes
    tracer: Tracer
    web_files: Mapping[str, WebFile]
    caller: Caller = ANYBODY
    origin: Origin = UNKNOWN

    def of(self, caller: Caller, origin: Origin = UNKNOWN) -> "Resources":
        """The same, less what belongs to other tenants than the caller's."""
        tenant = caller.tenant
        return replace(
            self,
            job_store=self.job_store.of(tenant),
            files=self.files.of(tenant),
            datasets=self.datasets.of(tenant),
            fine_tunes=self.fine_tunes.of(tenant),
            notes=self.notes.of(tenant),
            webhook_secrets=self.webhook_secrets.of(tenant),
            caller=caller,
            origin=origin,
        )


class State(TypedDict):
    """What every request finds in its state."""

    resources: Resources
    request_id: str


@asynccontextmanager
async def open_resources(
    settings: AppSettings, files: OperatorsFiles, metrics: RequestMetrics, closing: asyncio.Event, tracer: Tracer
) -> AsyncIterator[Resources]:
    """The resources of a running process; connections are made when they are first needed."""
    connection = StoreConnection(settings.store_url)
    file_checker = FileChecker(settings)
    artifacts = ArtifactStore(settings.artifacts_location)
    errands = Errands()
    keyring = Keyring(KeyStore(connection), SigningSecrets(connection), signed_seconds=settings.signed_seconds)
    following = asyncio.create_task(keyring.follow(closing))
    try:
        yield Resources(
            settings=settings,
            catalogue=files.catalogue,
            metrics=metrics,
            closing=closing,
            connection=connection,
            job_store=JobStore(connection, retention_seconds=settings.retention_seconds),
            liveness=Liveness(connection, lease_seconds=settings.lease_seconds),
            costs=Costs(connection),
            architectures=Architectures(connection),
            certificates=Certificates(connection, lease_seconds=settings.lease_seconds),
            receipt_keys=ReceiptKeys(connection),
            artifacts=artifacts,
            files=FileStore(connection, artifacts),
            datasets=DatasetStore(connection, artifacts),
            fine_tunes=FineTuneStore(connection, retention_seconds=settings.fine_tune_retention_seconds),
            teaching_costs=TeachingCosts(connection),
            file_checker=file_checker,
            deny_list=files.deny_list,
            c2pa_anchors=files.c2pa_anchors,
            doorkeeper=Doorkeeper(
                keyring,
                open_without_keys=settings.open_to_others or is_loopback(settings.host),
                signed_seconds=settings.signed_seconds,
            ),
            notes=Notes(connection, kept_seconds=settings.retention_seconds),
            followers=Followers(connection, retention_seconds=settings.retention_seconds),
            outbox=Outbox(connection),
            webhook_secrets=WebhookSecrets(connection),
            errands=errands,
            tracer=tracer,
            web_files=read_web_files(),
        )
    finally:
        closing.set()
        await following
        await errands.finish(ERRAND_SECONDS)
        file_checker.close()
        await connection.close()
