"""The check itself: a whole story passes, and each way to break it is found by the rules that are there for it."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from contract.artifact import Artifact
from contract.job import Job
from contract.job_records import read_job
from tests.conftest import complete_request
from tests.faults.final_state import FinalJob, FinalState
from tests.faults.history import Bytes, Call, History, Stream
from tests.faults.invariants import RULES, violations

ONE, TWO = (f"job_{number * 32}" for number in "12")
NAMES = ("started", "progress", "queued", "started", "progress", "image", "succeeded")


def artifact(job_id: str, execution: str = "e2") -> Artifact:
    return Artifact(
        id=f"art_{job_id[4:]}_0",
        index=0,
        seed=7,
        width=64,
        height=64,
        media_type="image/png",
        size_bytes=3,
        sha256="aa",
        storage_key=f"{job_id}/{execution}/0.png",
    )


def record(job_id: str, tenant: str, **changes: str) -> Job:
    fields = {
        "status": "succeeded",
        "tenant": tenant,
        "request": complete_request().model_dump_json(),
        "step": "4",
        "total_steps": "4",
        "attempt": "2",
        "admitted_position": "1",
        "created_at": "1",
        "image:0": artifact(job_id).model_dump_json(),
    }
    return read_job(job_id, fields | changes)


def events(job_id: str, *names: str) -> list[tuple[str, str, str]]:
    data = artifact(job_id).model_dump_json()
    return [(f"{100 + at}-0", name, data if name == "image" else "{}") for at, name in enumerate(names)]


def read(tenant: str, path: str, at: float, answer: object, status: int = 200) -> Call:
    return Call(tenant, "GET", path, None, at, status, answer, at + 0.1)


def submitted(tenant: str, at: float, job_id: str) -> Call:
    return Call(tenant, "POST", "/v1/generations", "k", at, 202, shown(job_id, "queued"), at + 0.1)


def shown(job_id: str, status: str, sha256: str = "aa") -> dict[str, object]:
    images = [{"id": artifact(job_id).id, "sha256": sha256}] if status == "succeeded" else []
    return {"id": job_id, "status": status, "images": images}


@dataclass
class Story:
    """What happened, and what is left of it: two tenants, a job each, of which the first lost its first execution."""

    history: History
    state: FinalState

    @property
    def final(self) -> FinalJob:
        return self.state.jobs[ONE]

    def read(self, at: float, status: str, sha256: str = "aa") -> None:
        """A client reads the first job."""
        self.history.calls.append(read("ada", f"/v1/jobs/{ONE}", at, shown(ONE, status, sha256)))

    def submit(self, at: float, job_id: str) -> None:
        """A client sends its first request again."""
        self.history.calls.append(submitted("ada", at, job_id))

    def hear(self, follower: str, after: str | None, *heard: int) -> None:
        """A client follows the first job, and hears these of its events."""
        all_events = [("0-1", "queued"), *((event_id, name) for event_id, name, _ in self.final.events)]
        stream = Stream("ada", ONE, follower, after, [all_events[at] for at in heard], 200)
        self.history.streams.append(stream)


@pytest.fixture
def story() -> Story:
    story = Story(History(), FinalState())
    for job_id, tenant in ((ONE, "ada"), (TWO, "ben")):
        story.state.jobs[job_id] = FinalJob(record(job_id, tenant), events(job_id, *NAMES), f"digest of {tenant}'s")
        story.state.artifacts[artifact(job_id).storage_key] = "aa"
    story.history.calls.append(Call("ada", "POST", "/v1/generations", "k", 0.5))
    story.submit(1, ONE)
    story.submit(2, ONE)
    story.history.calls.append(submitted("ben", 2, TWO))
    story.history.calls.append(read("ben", f"/v1/jobs/{ONE}", 3, {"error": f"There is no {ONE}"}, status=404))
    for at, status in ((3, "running"), (4, "queued"), (5, "running"), (6, "succeeded")):
        story.read(at, status)
    story.submit(7, ONE)
    story.hear("first", None, 0, 1, 2)
    story.hear("first", "101-0")
    story.hear("first", "101-0", 3, 4, 5, 6, 7)
    story.hear("second", None, 0, 1)
    story.history.pictures.append(Bytes("ada", artifact(ONE).id, "aa"))
    return story


def test_a_whole_story_passes(story: Story) -> None:
    assert violations(story.history, story.state) == []


def lose_a_job(story: Story) -> None:
    del story.state.jobs[ONE]


def leave_a_job_running(story: Story) -> None:
    story.final.job = record(ONE, "ada", status="running")


def tell_the_end_twice(story: Story) -> None:
    story.final.events.append(("200-0", "succeeded", "{}"))


def tell_no_end(story: Story) -> None:
    story.final.events.pop()


def answer_another_end(story: Story) -> None:
    story.read(8, "failed")


def go_on_after_the_end(story: Story) -> None:
    story.read(8, "running")


def start_without_a_queue(story: Story) -> None:
    story.final.events.insert(2, ("101-5", "started", "{}"))


def show_another_picture(story: Story) -> None:
    story.read(8, "succeeded", sha256="bb")


def serve_other_bytes(story: Story) -> None:
    story.history.pictures.append(Bytes("ada", artifact(ONE).id, "half"))


def lose_the_bytes(story: Story) -> None:
    story.state.artifacts[artifact(ONE).storage_key] = None


def announce_a_picture_twice(story: Story) -> None:
    story.final.events.insert(6, ("105-5", "image", artifact(ONE).model_dump_json()))


def succeed_without_a_picture(story: Story) -> None:
    story.final.job = story.final.job.model_copy(update={"images": ()})
    story.final.events.pop(-2)


def make_a_second_job(story: Story) -> None:
    story.submit(8, TWO)


def keep_one_key_twice(story: Story) -> None:
    story.state.jobs[TWO].idempotency = story.final.idempotency


def list_a_strangers_job(story: Story) -> None:
    story.history.calls.append(read("ben", "/v1/jobs", 8, {"data": [shown(ONE, "succeeded")]}))


def mention_a_strangers_job(story: Story) -> None:
    story.history.calls.append(read("ben", "/v1/files", 8, {"data": [{"used_by": ONE}]}))


def let_a_stranger_follow(story: Story) -> None:
    story.history.streams.append(replace(story.history.streams[0], tenant="ben", follower="ben's"))


def give_a_stranger_a_picture(story: Story) -> None:
    story.history.pictures.append(Bytes("ben", artifact(ONE).id, "aa"))


def leave_a_lease(story: Story) -> None:
    story.state.leftovers["safelight:leases"] = ONE


def skip_an_event(story: Story) -> None:
    story.hear("third", "100-0", 3)


def repeat_an_event(story: Story) -> None:
    story.hear("second", None, 0, 1, 2)


def hear_what_was_not_told(story: Story) -> None:
    story.history.streams[0].events.append(("150-0", "progress"))


def publish_for_two_executions(story: Story) -> None:
    other = artifact(ONE, "e1").model_copy(update={"index": 1, "id": "art_other"})
    story.state.artifacts[other.storage_key] = "aa"
    images = (*story.final.job.images, other)
    request = story.final.job.request.model_copy(update={"num_images": 2})
    story.final.job = story.final.job.model_copy(update={"images": images, "request": request})
    story.final.events.insert(6, ("105-5", "image", other.model_dump_json()))


ENDS, FORWARD = "each_job_ends_once", "states_only_move_forward"
ARTIFACTS, STREAMS = "each_job_has_one_set_of_artifacts", "streams_have_no_gap_and_no_repeat"
TENANCY = "nobody_sees_what_is_anothers"

BREAKS: dict[Callable[[Story], None], set[str]] = {
    lose_a_job: {"every_accepted_job_ends"},
    leave_a_job_running: {"every_accepted_job_ends", ENDS},
    tell_the_end_twice: {ENDS, FORWARD},
    tell_no_end: {ENDS, STREAMS},
    answer_another_end: {ENDS, FORWARD},
    go_on_after_the_end: {FORWARD},
    start_without_a_queue: {FORWARD, STREAMS},
    show_another_picture: {ARTIFACTS},
    serve_other_bytes: {ARTIFACTS},
    lose_the_bytes: {ARTIFACTS},
    announce_a_picture_twice: {ARTIFACTS, STREAMS},
    succeed_without_a_picture: {ARTIFACTS, STREAMS},
    make_a_second_job: {"one_key_is_one_job", TENANCY},
    keep_one_key_twice: {"one_key_is_one_job"},
    list_a_strangers_job: {TENANCY},
    mention_a_strangers_job: {TENANCY},
    let_a_stranger_follow: {TENANCY},
    give_a_stranger_a_picture: {TENANCY},
    leave_a_lease: {"nothing_is_left_over"},
    skip_an_event: {STREAMS},
    repeat_an_event: {STREAMS},
    hear_what_was_not_told: {STREAMS},
    publish_for_two_executions: {"a_fenced_worker_writes_nothing_visible", STREAMS},
}


@pytest.mark.parametrize("break_it", BREAKS, ids=lambda break_it: break_it.__name__)
def test_each_break_is_found_by_its_rules(story: Story, break_it: Callable[[Story], None]) -> None:
    break_it(story)
    assert {what.split(":")[0] for what in violations(story.history, story.state)} == BREAKS[break_it]


def test_no_rule_is_without_a_break() -> None:
    assert set().union(*BREAKS.values()) == {rule.__name__ for rule in RULES}
