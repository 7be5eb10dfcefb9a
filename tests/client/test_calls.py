"""Every call of both clients, against the whole service."""

import hashlib
import io
from contextlib import aclosing
from pathlib import Path

import pytest

from safelight import (
    AsyncSafelight,
    Delivery,
    Ended,
    ImageFinished,
    Previewed,
    Progressed,
    Queued,
    Started,
    UnreadableFile,
    WaitTimedOut,
    failures,
    refusals,
)
from tests.client.conftest import FAST, LONG, ended
from tests.pictures import encoded, gradient, opened
from tests.system.installation import ROOT
from tests.system.launched import Launched
from tests.waiting import wait_until_async

DOG = encoded(gradient(64, 64))


async def test_pictures_are_made_and_saved(client: AsyncSafelight, tmp_path: Path) -> None:
    pictures = await client.generate("a red apple", num_images=2, seed=7, **FAST)
    assert [picture.seed for picture in pictures] == [7, 8]
    assert pictures.job.status == "succeeded"
    assert opened(pictures[0].content).size == (64, 64)
    for picture in pictures[:]:
        assert hashlib.sha256(picture.content).hexdigest() == picture.image.sha256
    assert pictures.save(tmp_path / "apple.png") == [tmp_path / "apple-0.png", tmp_path / "apple-1.png"]
    assert (tmp_path / "apple-1.png").read_bytes() == pictures[1].content
    assert await client.save(pictures[0], tmp_path / "one.png") == tmp_path / "one.png"
    assert (tmp_path / "one.png").read_bytes() == await client.artifact(pictures[0].id)


async def test_a_complete_request_makes_the_same_picture_again(client: AsyncSafelight) -> None:
    first = await client.generate("a fox", guidance={"kind": "cfg_pp", "scale": 0.6}, **FAST)
    again = await client.pictures(await client.submit(**first.job.request))
    assert again.job.id != first.job.id
    assert again[0].content == first[0].content


async def test_a_job_is_read_as_the_service_says_it(client: AsyncSafelight, service: Launched) -> None:
    job = await client.wait(await client.submit("a fox", metadata={"order": "42", "image": "dog"}, **FAST))
    assert await client.job(job.id) == job
    assert job.as_json() == service.call(f"/v1/jobs/{job.id}")
    assert job.request["metadata"] == {"order": "42", "image": "dog"}


async def test_the_same_key_is_the_same_job(client: AsyncSafelight) -> None:
    first = await client.submit("a fox", idempotency_key="the key of this test", seed=1, **FAST)
    assert (await client.submit("a fox", idempotency_key="the key of this test", seed=1, **FAST)).id == first.id
    assert (await client.submit("a fox", seed=1, **FAST)).id != first.id
    with pytest.raises(refusals.IdempotencyConflict) as conflict:
        await client.submit("a cat", idempotency_key="the key of this test", **FAST)
    assert (conflict.value.code, conflict.value.field) == ("idempotency_conflict", "Idempotency-Key")


async def test_jobs_are_listed_over_pages(client: AsyncSafelight) -> None:
    made = [(await client.submit("a fox", **FAST)).id for _ in range(5)]
    for job_id in made:
        await client.wait(job_id)
    listed = []
    async with aclosing(client.jobs(status="succeeded", page_size=2)) as jobs:
        async for job in jobs:
            listed.append(job.id)
            if len(listed) == len(made):
                break
    assert listed == made[::-1]


async def test_every_event_comes_and_from_any_of_them_the_rest(client: AsyncSafelight) -> None:
    job = await client.submit("a fox\u2028that\x85ends lines\x0b", **FAST | {"num_inference_steps": 60})
    events = [event async for event in client.events(job, previews=True)]
    kinds = [type(event) for event in events]
    assert kinds[:2] == [Queued, Started]
    assert kinds[-2:] == [ImageFinished, Ended]
    assert {Progressed, Previewed} <= set(kinds)
    for event in events:
        match event:
            case Started():
                assert event.attempt == 1
            case Progressed():
                assert 0 < event.progress.fraction <= 1
            case Previewed():
                assert (event.index, event.content[:2]) == (0, b"\xff\xd8")
            case ImageFinished():
                assert event.image.id in {image.id for image in (await client.job(job)).images}
            case Ended():
                assert event.job == await client.job(job)
    for at in range(0, len(events), 10):
        rest = [event async for event in client.events(job, previews=True, after=events[at].id)]
        assert rest == events[at + 1 :]


async def test_a_wait_ends_in_time_and_the_job_goes_on(client: AsyncSafelight) -> None:
    job = await client.submit("a fox", **LONG)
    with pytest.raises(WaitTimedOut) as timed_out:
        await client.wait(job, timeout_seconds=0.3)
    assert timed_out.value.job_id == job.id
    assert not (await client.job(job)).ended
    assert (await ended(client, job)).status == "cancelled"


async def test_a_cancelled_job_has_no_pictures_and_can_be_deleted(client: AsyncSafelight) -> None:
    job = await client.submit("a fox", **LONG)
    with pytest.raises(refusals.JobNotEnded):
        await client.delete(job)
    await client.cancel(job)
    with pytest.raises(failures.JobCancelled) as cancelled:
        await client.pictures(job, timeout_seconds=30)
    assert cancelled.value.job is not None
    assert cancelled.value.job.id == job.id
    assert await client.delete(job) is None
    for call in (client.job, client.cancel, client.delete, client.wait):
        with pytest.raises(refusals.UnknownJob):
            await call(job.id)


@pytest.mark.parametrize("way", ["path", "text", "bytes", "open", "picture", "file", "id"])
async def test_a_field_takes_whatever_has_the_picture(client: AsyncSafelight, tmp_path: Path, way: str) -> None:
    path = tmp_path / "dog.png"
    path.write_bytes(DOG)
    image = {"path": path, "text": str(path), "bytes": DOG, "open": io.BytesIO(DOG)}.get(way)
    if way == "picture":
        image = (await client.generate("a dog", **FAST))[0]
    elif image is None:
        file = await client.upload(DOG)
        image = file if way == "file" else file.id
    pictures = await client.generate("a cat", image=image, strength=0.5, **FAST)
    named = pictures.job.request["image"]
    if way in ("file", "id"):
        assert named == file.id
    elif way != "picture":
        assert opened(await client.file_content(named)).tobytes() == opened(DOG).tobytes()


async def test_weights_are_sent_where_an_adapter_is_named(client: AsyncSafelight) -> None:
    path = ROOT / "models/adapters/gilded/pytorch_lora_weights.safetensors"
    mine = await client.generate("a car", seed=7, adapters=[{"id": path, "scale": 0.5}], **FAST)
    theirs = await client.generate("a car", seed=7, adapters=[{"id": "gilded", "scale": 0.5}], **FAST)
    assert mine.job.request["adapters"][0]["id"].startswith("file_")
    assert opened(mine[0].content).tobytes() == opened(theirs[0].content).tobytes()


async def test_what_cannot_be_read_or_taken_names_its_field(client: AsyncSafelight, tmp_path: Path) -> None:
    for image, words in ((tmp_path / "none.png", "No such file"), (io.StringIO("text"), "text"), (gradient(), "Image")):
        with pytest.raises(UnreadableFile, match=words) as unreadable:
            await client.generate("a cat", image=image)
        assert unreadable.value.field == "image"
    with pytest.raises(refusals.UnsupportedFile) as refused:
        await client.generate("a cat", image=DOG, mask=b"this is no picture")
    assert (refused.value.field, refused.value.status) == ("mask", 422)
    with pytest.raises(refusals.InvalidRequest) as not_fetched:
        await client.generate("a cat", image="https://example.com/dog.png")
    assert not_fetched.value.field == "image"


async def test_files_are_kept_listed_read_and_removed(client: AsyncSafelight) -> None:
    file = await client.upload(DOG)
    assert (file.kind, file.width, file.height) == ("image", 64, 64)
    assert await client.file(file) == file
    async with aclosing(client.files(page_size=1)) as files:
        assert await anext(files) == file
        assert (await anext(files)).created_at < file.created_at
    assert await client.delete_file(file) is None
    with pytest.raises(refusals.UnknownFile):
        await client.delete_file(file)
    with pytest.raises(refusals.UnsupportedFile) as refused:
        await client.upload(b"this is no picture")
    assert refused.value.field == "file"


async def test_data_sets_are_sent_edited_read_and_removed(client: AsyncSafelight, tmp_path: Path) -> None:
    (tmp_path / "cat.png").write_bytes(DOG)
    (tmp_path / "cat.txt").write_text("a cat")
    dataset = await client.create_dataset(tmp_path, name="animals")
    assert (dataset.name, dataset.num_pictures, dataset.problems) == ("animals", 1, ())
    more = await client.add_pictures(dataset, {"fox.png": encoded(gradient(40, 40)), "same.png": DOG})
    assert [problem.code for problem in more.problems] == ["no_caption", "duplicate"]
    edited = await client.change_caption(dataset, 1, "a fox")
    assert [picture.caption for picture in edited.pictures] == ["a cat", "a fox"]
    assert opened(await client.dataset_picture(dataset, 0)).size == (64, 64)
    left = await client.delete_picture(dataset.id, 0)
    assert await client.dataset(dataset) == left
    async with aclosing(client.datasets(page_size=1)) as found:
        assert (await anext(found)).digest == left.digest
    await client.delete_dataset(dataset)
    with pytest.raises(refusals.UnknownDataset):
        await client.dataset(dataset)
    with pytest.raises(refusals.DamagedFile) as damaged:
        await client.create_dataset(b"no archive")
    assert damaged.value.field == "archive"


async def test_what_is_on_offer(client: AsyncSafelight) -> None:
    models = await client.models()
    assert models[0].id == "safelight-emoji"
    detail = await client.model(models[0])
    assert (detail.defaults, detail.resident_workers) == (models[0].defaults, 1)
    assert detail.certificates[0].model == "safelight-emoji"
    assert await client.adapter("gilded") in await client.adapters()
    assert await client.classifier("emoji-groups") in await client.classifiers()
    for call, error in (
        (client.model, refusals.UnknownModel),
        (client.adapter, refusals.UnknownAdapter),
        (client.classifier, refusals.UnknownClassifier),
        (client.artifact, refusals.UnknownArtifact),
    ):
        with pytest.raises(error) as refused:
            await call("nobody's?")
        assert refused.value.status == 404
        assert refused.value.request_id


async def test_what_the_service_refuses_names_code_and_field(client: AsyncSafelight) -> None:
    with pytest.raises(refusals.LimitExceeded, match="num_inference_steps") as refused:
        await client.generate("a fox", num_inference_steps=100_000)
    error = refused.value
    assert (error.code, error.field, error.status) == ("limit_exceeded", "num_inference_steps", 422)
    assert (error.retryable, error.job, error.num_tries) == (False, None, 1)
    with pytest.raises(refusals.InvalidRequest, match="colour") as unknown:
        await client.generate("a fox", colour="red")  # type: ignore[call-arg]
    assert unknown.value.field == "colour"


async def test_what_became_of_a_webhook(client: AsyncSafelight) -> None:
    webhook = {"url": "http://127.0.0.1:1/hooks", "events": ["succeeded"]}
    job = await client.wait(await client.submit("a fox", webhook=webhook, **FAST))

    async def tried() -> Delivery | None:
        (delivery,) = await client.deliveries(job)
        return delivery if delivery.attempts else None

    delivery = await wait_until_async(tried, 10)
    assert delivery is not None
    assert (delivery.event, delivery.status, delivery.attempts[0].error) == ("succeeded", "pending", "unreachable")
    assert (await client.redeliver(job, delivery)).id == delivery.id
    with pytest.raises(refusals.UnknownDelivery):
        await client.redeliver(job, "whd_1")
    assert await client.deliveries(await client.submit("a fox", **FAST)) == []


async def test_the_secret_of_webhooks_is_replaced_once(client: AsyncSafelight) -> None:
    url = "https://receiver.example/hooks"
    secret = await client.webhook_secret(url)
    assert (secret.origin, secret.key[:6]) == ("https://receiver.example:443", "whsec_")
    replaced = await client.rotate_webhook_secret(url)
    assert replaced.key != secret.key
    assert replaced.previous_key_until is not None
    assert await client.webhook_secret(f"{url}/more") == replaced


async def test_a_quote_makes_no_job(client: AsyncSafelight, service: Launched) -> None:
    def newest() -> str:
        return str(service.call("/v1/jobs?limit=1")["data"][0]["id"])

    before = newest()
    quote = await client.quote("a fox", priority="low", num_images=2, **FAST)
    assert (quote.cost.pixel_steps, quote.queue_position, quote.priority) == (2 * 2 * 64 * 64, 1, "low")
    assert newest() == before
    assert (await client.submit("a fox", priority="high", **FAST)).priority == "high"


async def test_a_job_goes_with_its_last_follower_if_that_is_wished(client: AsyncSafelight) -> None:
    job = await client.submit("a fox", **LONG)
    with pytest.raises(WaitTimedOut):
        await client.wait(job, timeout_seconds=2, on_disconnect="cancel")

    async def is_cancelled() -> bool:  # Who waits follows, and would keep it; who asks does not.
        return (await client.job(job)).status == "cancelled"

    await wait_until_async(is_cancelled, 30)
