"""From a request to a job: completed, its pictures kept as files, and admitted in one step."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from hashlib import sha256
from types import MappingProxyType

from app.file_kinds import blaming
from app.learnt_adapters import names_learnt, with_learnt
from app.resources import Resources
from app.sent_pictures import decoded
from app.taught_models import catalogue_for
from contract.admitted import Admitted
from contract.branches import Branch, branched
from contract.canvas_sizes import check_tones
from contract.editing import Size
from contract.errors import (
    AdapterMismatch,
    ArtifactStoreUnavailable,
    BranchConflict,
    DamagedFile,
    InvalidRequest,
    LimitExceeded,
    MalformedPrompt,
    PromptRefused,
    QueueFull,
    QuotaExceeded,
    QuotaTooSmall,
    SafelightError,
    StoreUnavailable,
    UnknownAdapter,
    UnknownArtifact,
    UnknownFile,
    UnknownJob,
    UnknownModel,
    UnsupportedFile,
    UnsupportedIntervention,
    UnsupportedPromptSyntax,
    UnsupportedScheduler,
    UnsupportedTrace,
)
from contract.file_content import FileContent
from contract.files import StoredFile
from contract.inputs import ARTIFACT_ID, DATA_URI, Reference, replace_references
from contract.interventions import SkipBlock
from contract.job_store import Admission
from contract.request import CompleteRequest, GenerationRequest
from contract.retention import Retention
from contract.terms import USUAL, Terms
from contract.traces import TraceAsked, check_trace
from contract.tracing import span_of, traceparent_of

Brought = Mapping[str, FileContent]
"""Files that came beside a request, by what it calls them."""

NOTHING_BROUGHT: Brought = MappingProxyType({})

REFUSALS: tuple[type[SafelightError], ...] = (
    InvalidRequest,
    UnknownModel,
    UnknownAdapter,
    AdapterMismatch,
    UnsupportedScheduler,
    UnsupportedTrace,
    LimitExceeded,
    UnsupportedPromptSyntax,
    UnsupportedIntervention,
    MalformedPrompt,
    PromptRefused,
    UnknownFile,
    UnknownArtifact,
    UnsupportedFile,
    DamagedFile,
    QueueFull,
    QuotaExceeded,
    QuotaTooSmall,
    StoreUnavailable,
    ArtifactStoreUnavailable,
)
"""What operations that admit requests say in OpenAPI of how these may be refused."""

BRANCHING: tuple[type[SafelightError], ...] = (BranchConflict, UnknownJob)
"""The same of those that continue jobs."""


async def admit(
    generation: GenerationRequest,
    resources: Resources,
    terms: Terms = USUAL,
    *,
    brought: Brought = NOTHING_BROUGHT,
) -> Admission:
    """The job that a request became, now or when the same call came before under its key.

    The request names the files of `brought` as if they were stored, and by their content (`name_of`), so that the same
    call again is the same request.
    Raises: Forbidden, as Catalogue.resolve, JobStore.admit, and whatever is wrong with a file that the request names or
            brings.
    """
    with span_of(resources.tracer, "admit") as span:
        origin = replace(resources.origin, traceparent=traceparent_of(span))
        granted = resources.caller.priority(terms.priority)
        admission = await _admit(generation, resources, replace(terms, priority=granted, origin=origin), brought)
        span.set_attribute("safelight.job_id", admission.job.id)
        span.set_attribute("safelight.model", admission.job.request.model)
    return admission


async def _admit(generation: GenerationRequest, resources: Resources, terms: Terms, brought: Brought) -> Admission:
    needs = generation.references() or terms.branch or names_learnt(generation)
    if terms.repeatable is not None and not terms.repeatable.fresh and needs:
        # Files may be gone by now that were there when the job was admitted, and so may the job that it continues.
        earlier = await resources.job_store.replayed(generation, terms)
        if earlier is not None:
            return Admitted(earlier, replayed=True)
    async with AsyncExitStack() as made:
        ttl_seconds = (terms.retention or Retention()).of_files(resources.settings.file_ttl_seconds)
        complete = await completed(
            generation,
            resources,
            made,
            branch=terms.branch,
            brought=brought,
            ttl_seconds=ttl_seconds,
            trace=terms.trace,
        )
        costs = await resources.costs.read()
        await have_secret(terms, resources)
        admission = await resources.job_store.admit(
            generation,
            complete,
            terms,
            max_queued=resources.settings.max_queued_jobs,
            allowance=resources.caller.allowance,
            forecast=costs.forecast(complete),
        )
        if not admission.replayed:
            made.pop_all()
    return admission


async def have_secret(terms: Terms, resources: Resources) -> None:
    """What signs the webhook is there before the job is. Raises: LimitExceeded, when the tenant has too many."""
    if terms.webhook is not None:
        with blaming("webhook"):
            await resources.webhook_secrets.read(terms.webhook.secret)


async def _continued(generation: GenerationRequest, branch: Branch | None, resources: Resources) -> GenerationRequest:
    """The request with what it leaves open from the job that it continues, if it continues one.

    Raises: UnknownJob, and as `contract.branches.branched`.
    """
    if branch is None:
        return generation
    with blaming("branch_from.job"):
        parent = await resources.job_store.get(branch.job)
    resources.deny_list.check(generation)
    catalogue = await catalogue_for(parent.request.model, resources)
    return branched(parent.request, generation, branch.step, catalogue.find(parent.request.model))


async def completed(
    generation: GenerationRequest,
    resources: Resources,
    made: AsyncExitStack,
    *,
    ttl_seconds: float,
    branch: Branch | None = None,
    brought: Brought = NOTHING_BROUGHT,
    trace: TraceAsked | None = None,
) -> CompleteRequest:
    """The request with nothing left open, its pictures as files. Those that are made here are removed by `made`.

    `trace` is what is to be recorded of its run.
    """
    asked, generation = generation, await _continued(generation, branch, resources)
    catalogue = await catalogue_for(generation.model, resources)
    generation = await with_learnt(generation, resources)
    files = await _files(generation, resources, brought, ttl_seconds, made)
    _check_mask(None if generation.mask is None else files[generation.mask])
    sizes = {field: _size(files[reference]) for field, reference in generation.references().items()}
    complete = catalogue.resolve(generation, {field: size for field, size in sizes.items() if size})
    if trace is not None:
        check_trace(trace, complete, catalogue.find(complete.model).family)
    resources.deny_list.check(complete)
    await _check_blocks(asked, complete.model, resources)
    return replace_references(complete, {reference: file.id for reference, file in files.items()})


async def _check_blocks(asked: GenerationRequest, model_id: str, resources: Resources) -> None:
    """Refuses blocks that the model is known not to have; of one that nobody knows yet, the worker will say it.

    Raises: UnsupportedIntervention, StoreUnavailable.
    """
    skipped = {index: one.block for index, one in enumerate(asked.intervene) if isinstance(one, SkipBlock)}
    architecture = await resources.architectures.of_model(model_id) if skipped else None
    if architecture is None:
        return
    for index, block in skipped.items():
        if block not in architecture.blocks_to_skip:
            raise UnsupportedIntervention(
                f"{model_id} has no block {block!r} that can be skipped; GET /v1/models/{model_id}/architecture says "
                "which can.",
                field=f"intervene.{index}.block",
            )


def name_of(brought: FileContent) -> str:
    """What a request calls a file that comes beside it."""
    return f"file_{sha256(brought.content).hexdigest()[:32]}"


def _check_mask(mask: StoredFile | None) -> None:
    """Raises: InvalidMask, when it selects nothing or everything. Files of older versions are judged by the worker."""
    if mask is not None and mask.darkest is not None and mask.brightest is not None:
        check_tones(mask.darkest, mask.brightest)


def _size(file: StoredFile) -> Size | None:
    """The size of a picture; None for what is no picture."""
    return None if file.height is None or file.width is None else Size(file.height, file.width)


async def _files(
    request: GenerationRequest, resources: Resources, brought: Brought, ttl_seconds: float, made: AsyncExitStack
) -> dict[Reference, StoredFile]:
    """The file behind every reference. Those that are made here are removed by `made`."""
    files: dict[Reference, StoredFile] = {}
    for field, reference in request.references().items():
        with blaming(field):
            if reference not in files:
                content = brought.get(reference) or await _content(field, reference, resources)
                files[reference] = await _file(reference, content, resources, ttl_seconds, made)
            if files[reference].kind != reference.kind:
                raise UnsupportedFile(f"The file is of the kind {files[reference].kind}, not {reference.kind}.")
    return files


async def _content(field: str, reference: Reference, resources: Resources) -> FileContent | None:
    """What a file is to be made of; None where there is one already."""
    if ARTIFACT_ID.fullmatch(reference):
        artifact = await resources.job_store.artifact(reference)
        content = await resources.artifacts.get(artifact.storage_key)
        return await resources.file_checker.check(partial(bytes, content), field=field)
    if DATA_URI.match(reference):
        return await resources.file_checker.check(partial(decoded, reference), field=field)
    return None


async def _file(
    reference: Reference, content: FileContent | None, resources: Resources, ttl_seconds: float, made: AsyncExitStack
) -> StoredFile:
    if content is None:
        return await resources.files.get(reference)
    file = await resources.files.add(content, ttl_seconds=ttl_seconds)
    made.push_async_callback(resources.files.remove, file.id)
    return file
