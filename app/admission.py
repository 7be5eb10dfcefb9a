"""From a request to a job: completed, its pictures kept as files, and admitted in one step."""

import base64
import binascii
from contextlib import AsyncExitStack
from functools import partial

from app.file_kinds import blaming
from app.resources import Resources
from contract.editing import Size
from contract.errors import InvalidRequest, UnsupportedFile
from contract.files import StoredFile
from contract.inputs import ARTIFACT_ID, DATA_URI, Reference, replace_references
from contract.job_store import Admission
from contract.request import GenerationRequest
from contract.webhooks import Webhook


async def admit(
    generation: GenerationRequest,
    resources: Resources,
    *,
    idempotency_key: str | None = None,
    no_store: bool = False,
    webhook: Webhook | None = None,
) -> Admission:
    """The job that a request became, now or when it came with this key before.

    Raises: as Catalogue.resolve, JobStore.admit, and whatever is wrong with a file that the request names or brings.
    """
    if idempotency_key is not None and generation.references():
        # Files may be gone by now that were there when the job was admitted.
        earlier = await resources.job_store.replayed(generation, idempotency_key, webhook=webhook)
        if earlier is not None:
            return Admission(earlier, replayed=True)
    async with AsyncExitStack() as made:
        files = await _files(generation, resources, made)
        sizes = {field: _size(files[reference]) for field, reference in generation.references().items()}
        complete = resources.catalogue.resolve(generation, {field: size for field, size in sizes.items() if size})
        complete = replace_references(complete, {reference: file.id for reference, file in files.items()})
        costs = await resources.costs.read()
        admission = await resources.job_store.admit(
            generation,
            complete,
            max_queued=resources.settings.max_queued_jobs,
            idempotency_key=idempotency_key,
            no_store=no_store,
            webhook=webhook,
            forecast=costs.forecast(complete),
        )
        if not admission.replayed:
            made.pop_all()
    return admission


def _size(file: StoredFile) -> Size | None:
    """The size of a picture; None for what is no picture."""
    return None if file.height is None or file.width is None else Size(file.height, file.width)


async def _files(request: GenerationRequest, resources: Resources, made: AsyncExitStack) -> dict[Reference, StoredFile]:
    """The file behind every reference. Those that are made here are removed by `made`."""
    files: dict[Reference, StoredFile] = {}
    for field, reference in request.references().items():
        with blaming(field):
            if reference not in files:
                files[reference] = await _file(field, reference, resources, made)
            if files[reference].kind != reference.kind:
                raise UnsupportedFile(f"The file is of the kind {files[reference].kind}, not {reference.kind}.")
    return files


async def _file(field: str, reference: Reference, resources: Resources, made: AsyncExitStack) -> StoredFile:
    if ARTIFACT_ID.fullmatch(reference):
        artifact = await resources.job_store.artifact(reference)
        content = await resources.artifacts.get(artifact.storage_key)
        read = partial(bytes, content)
    elif DATA_URI.match(reference):
        read = partial(_decoded, reference)
    else:
        return await resources.files.get(reference)
    checked = await resources.file_checker.check(read, field=field)
    file = await resources.files.add(checked, ttl_seconds=resources.settings.file_ttl_seconds)
    made.push_async_callback(resources.files.remove, file.id)
    return file


def _decoded(data_uri: str) -> bytes:
    try:
        return base64.b64decode(data_uri.partition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest("The data: URI is not base64.") from error
