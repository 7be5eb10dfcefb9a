"""What must hold whatever fails: each rule reads what clients saw and what is left, and names what broke it."""

from collections.abc import Callable, Iterator
from itertools import pairwise

from contract.artifact import Artifact
from contract.job import ENDED
from contract.job_events import ADMITTED
from tests.faults.final_state import FinalJob, FinalState
from tests.faults.history import ENDS, Call, History, Stream

Rule = Callable[[History, FinalState], Iterator[str]]

FOLLOWING: dict[str, frozenset[str]] = {
    "queued": frozenset({"started", "cancelled"}),
    "started": frozenset({"progress", "preview", "image", "queued", *ENDS}),
    "progress": frozenset({"progress", "preview", "image", "queued", *ENDS}),
    "preview": frozenset({"progress", "preview", "image", "queued", *ENDS}),
    "image": frozenset({"progress", "preview", "image", "queued", *ENDS}),
    **{name: frozenset() for name in ENDS},
}
"""Which events may come right after which. A job is queued again when its execution was lost or given back."""


def violations(history: History, state: FinalState) -> list[str]:
    """Everything that should not have happened, each with the name of the rule that it breaks."""
    return [f"{rule.__name__}: {what}" for rule in RULES for what in rule(history, state)]


def every_accepted_job_ends(history: History, state: FinalState) -> Iterator[str]:
    """No 202 is lost."""
    for job_id in history.admitted().keys() - history.deleted():
        if job_id not in state.jobs:
            yield f"{job_id} was accepted, and is gone"
    for job_id, final in state.jobs.items():
        if not final.job.ended:
            yield f"{job_id} is {final.job.status} still"


def each_job_ends_once(history: History, state: FinalState) -> Iterator[str]:
    """One terminal state, told once and last; and what every client was told of it is the same."""
    for job_id, final in state.jobs.items():
        ends = [name for _, name, _ in final.events if name in ENDS]
        if final.job.ended and ends != [final.job.status]:
            yield f"{job_id} is {final.job.status} and has told {ends}"
    told: dict[str, set[str]] = {}
    for call in history.calls:
        for job in call.jobs:
            if job["status"] in ENDS:
                told.setdefault(job["id"], set()).add(job["status"])
    for job_id, final in state.jobs.items():
        if told.get(job_id, set()) - {final.job.status}:
            yield f"clients were told that {job_id} had {told[job_id]}, and it has {final.job.status}"


def each_job_has_one_set_of_artifacts(history: History, state: FinalState) -> Iterator[str]:
    """A picture is announced once, is whole, and never changes: not in records, nor in answers, nor in bytes."""
    for job_id, final in state.jobs.items():
        yield from _wrong_images(job_id, final, state)
    shown: dict[str, set[str]] = {}
    for call in history.calls:
        for image in [image for job in call.jobs for image in job["images"]]:
            shown.setdefault(image["id"], set()).add(image["sha256"])
    for picture in history.pictures:
        shown.setdefault(picture.artifact_id, set()).add(picture.sha256)
    kept = {image.id: image.sha256 for final in state.jobs.values() for image in final.job.images}
    for artifact_id, digests in shown.items():
        if len(digests | {kept.get(artifact_id, next(iter(digests)))}) > 1:
            yield f"{artifact_id} was shown as {digests}, and is {kept.get(artifact_id)}"


def _wrong_images(job_id: str, final: FinalJob, state: FinalState) -> Iterator[str]:
    job = final.job
    announced = [Artifact.model_validate_json(data) for _, name, data in final.events if name == "image"]
    if sorted(announced, key=lambda image: image.index) != list(job.images):
        yield f"{job_id} announced {announced}, and has {job.images}"
    if job.status == "succeeded" and [image.index for image in job.images] != list(range(job.request.num_images)):
        yield f"{job_id} succeeded with the images {[image.index for image in job.images]}"
    for image in job.images:
        if state.artifacts.get(image.storage_key) != image.sha256:
            yield f"the bytes of {image.id} are not those of its record"


def states_only_move_forward(history: History, state: FinalState) -> Iterator[str]:
    """Nothing follows an end, neither in the events nor in what a client reads one after the other."""
    for job_id, final in state.jobs.items():
        names = ["queued", *(name for _, name, _ in final.events)]
        for before, after in pairwise(names):
            if after not in FOLLOWING[before]:
                yield f"{job_id} told {after} right after {before}"
    ended: dict[str, tuple[float, str]] = {}
    for call in sorted((call for call in history.calls if call.jobs), key=lambda call: call.answered_at or 0.0):
        for job in call.jobs:
            known_at, known = ended.get(job["id"], (float("inf"), ""))
            if call.sent_at > known_at and job["status"] != known and not _is_as_admitted(call):
                yield f"{job['id']} was {job['status']} after it was {known}"
            if job["status"] in ENDED and call.answered_at is not None and job["id"] not in ended:
                ended[job["id"]] = call.answered_at, job["status"]


def _is_as_admitted(call: Call) -> bool:
    """Whether the answer is that of an admission, which is told again as it was the first time."""
    return call.is_admission and call.status == 202


def one_key_is_one_job(history: History, state: FinalState) -> Iterator[str]:
    """However often a call is repeated with its idempotency key, there is one job."""
    made: dict[tuple[str, str], set[str]] = {}
    for call in history.calls:
        if call.is_admission and call.idempotency_key is not None:
            made.setdefault((call.tenant, call.idempotency_key), set()).update(job["id"] for job in call.jobs)
    for (tenant, key), jobs in made.items():
        if len(jobs) > 1:
            yield f"the key {key} of {tenant} is {sorted(jobs)}"
    kept: dict[str, list[str]] = {}
    for job_id, final in state.jobs.items():
        if final.idempotency:
            kept.setdefault(final.idempotency, []).append(job_id)
    for digest, job_ids in kept.items():
        if len(job_ids) > 1:
            yield f"one key (kept as {digest[:8]}) made {sorted(job_ids)}"


def nobody_sees_what_is_anothers(history: History, state: FinalState) -> Iterator[str]:
    """What a tenant is answered names jobs of its own only, and no stream or picture of another's is given."""
    owner = {job_id: final.job.tenant for job_id, final in state.jobs.items()} | history.admitted()
    for call in history.calls:
        for job_id in call.job_ids:
            if owner.get(job_id, call.tenant) != call.tenant:
                yield f"{call.tenant} was answered {job_id} of {owner[job_id]} by {call.method} {call.path}"
    for stream in history.streams:
        if stream.events and owner.get(stream.job_id, stream.tenant) != stream.tenant:
            yield f"{stream.tenant} followed {stream.job_id} of {owner[stream.job_id]}"
    pictures = {image.id: job_id for job_id, final in state.jobs.items() for image in final.job.images}
    for picture in history.pictures:
        job_id = pictures.get(picture.artifact_id, "")
        if owner.get(job_id, picture.tenant) != picture.tenant:
            yield f"{picture.tenant} was given {picture.artifact_id} of {owner[job_id]}"


def nothing_is_left_over(history: History, state: FinalState) -> Iterator[str]:
    """When all has ended, no lease, no place in a line, no registry and no sum knows of any job."""
    for key, content in state.leftovers.items():
        yield f"{key} has {content}"


def streams_have_no_gap_and_no_repeat(history: History, state: FinalState) -> Iterator[str]:
    """Each connection brings the events right after its Last-Event-ID, and together they bring each event once."""
    heard: dict[str, list[str]] = {}
    for stream in history.streams:
        final = state.jobs.get(stream.job_id)
        if final is None or not stream.events:
            continue
        expected = _events_after(final, stream)[: len(stream.events)]
        if stream.events != expected:
            yield f"after {stream.after}, {stream.job_id} brought {stream.events}, and has {expected}"
        heard.setdefault(stream.follower, []).extend(event_id for event_id, _ in stream.events)
    for follower, ids in heard.items():
        if len(set(ids)) < len(ids):
            yield f"{follower} heard an event twice: {ids}"


def _events_after(final: FinalJob, stream: Stream) -> list[tuple[str, str]]:
    events = [(ADMITTED.id, ADMITTED.name), *((event_id, name) for event_id, name, _ in final.events)]
    after = _order(stream.after) if stream.after else (-1, -1)
    return [event for event in events if _order(event[0]) > after and event[1] != "preview"]


def _order(event_id: str) -> tuple[int, int]:
    time, _, number = event_id.partition("-")
    return int(time), int(number)


def a_fenced_worker_writes_nothing_visible(history: History, state: FinalState) -> Iterator[str]:
    """Pictures that were published between two starts are of one execution: that which held the lease then."""
    for job_id, final in state.jobs.items():
        executions: dict[int, set[str]] = {}
        num_starts = 0
        for _, name, data in final.events:
            num_starts += name == "started"
            if name == "image":
                key = Artifact.model_validate_json(data).storage_key
                executions.setdefault(num_starts, set()).add(key.split("/")[1])
        every = [execution for found in executions.values() for execution in found]
        if any(len(found) > 1 for found in executions.values()) or len(set(every)) < len(every):
            yield f"{job_id} shows pictures of the executions {executions} by its starts"


RULES: tuple[Rule, ...] = (
    every_accepted_job_ends,
    each_job_ends_once,
    each_job_has_one_set_of_artifacts,
    states_only_move_forward,
    one_key_is_one_job,
    nobody_sees_what_is_anothers,
    nothing_is_left_over,
    streams_have_no_gap_and_no_repeat,
    a_fenced_worker_writes_nothing_visible,
)
