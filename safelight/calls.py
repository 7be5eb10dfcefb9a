"""Every call of the API, said once: AsyncSafelight has them as they are, Safelight runs each to its end."""

import os
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Unpack

from safelight.answers import File, Job, JobStatus, Quote
from safelight.bodies import body_of
from safelight.caller import id_of, path_of, place_of
from safelight.errors import ServiceError
from safelight.events import Ended, Event
from safelight.fields import DensePrediction, Fields
from safelight.fine_tune_calls import FineTuneCalls
from safelight.following import Follower, OnDisconnect
from safelight.offers import Adapter, Architecture, Classifier, Model, ModelDetail
from safelight.outcomes import success
from safelight.pages import each, listed
from safelight.pictures import Picture, Pictures
from safelight.provenance import ReceiptKeys, Verification
from safelight.reading import read
from safelight.sources import Named, Source, content_of
from safelight.webhooks import Delivery, WebhookSecret


class Calls(FineTuneCalls):
    """Safelight over HTTP. Jobs, files and images are named by their ids, or by what has such an id.

    Raises: SafelightError: a ServiceError when the service says no, ConnectionFailed when nobody answers.
    """

    async def generate(
        self,
        prompt: str | None = None,
        *,
        timeout_seconds: float | None = None,
        on_disconnect: OnDisconnect = "keep",
        idempotency_key: str | None = None,
        no_store: bool = False,
        **fields: Unpack[Fields],
    ) -> Pictures:
        """Makes pictures, and waits for them: `submit` and `pictures` in one.

        Raises: UnreadableFile; WaitTimedOut; the error that the job failed with, JobCancelled.
        """
        job = await self.submit(prompt, idempotency_key=idempotency_key, no_store=no_store, **fields)
        return await self.pictures(job, timeout_seconds=timeout_seconds, on_disconnect=on_disconnect)

    async def submit(
        self,
        prompt: str | None = None,
        *,
        idempotency_key: str | None = None,
        no_store: bool = False,
        **fields: Unpack[Fields],
    ) -> Job:
        """Makes a job, without waiting. Paths, bytes and open files in the fields are sent first.

        The same `idempotency_key` and fields give the same job for 24 hours; without one, each call makes a job, once.
        `no_store` has the pictures made anew where equal ones are kept.
        Raises: UnreadableFile.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        if no_store:
            headers["Cache-Control"] = "no-store"
        return read(Job, await self._post(prompt, fields, headers=headers))

    async def dense_prediction(self, *, idempotency_key: str | None = None, **fields: Unpack[DensePrediction]) -> Job:
        """Makes a job whose one picture is a map of `image`, without waiting; `pictures` waits for it.

        Raises: UnreadableFile; UnknownModel; UnsupportedModel.
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        body = await body_of(fields, self._upload)
        return read(Job, await self._sender.json("POST", "/v1/dense-predictions", json=body, headers=headers))

    async def quote(self, prompt: str | None = None, **fields: Unpack[Fields]) -> Quote:
        """What a job would cost, and when it would end; none is made. Raises: UnreadableFile."""
        return read(Quote, await self._post(prompt, fields, params={"dry_run": True}))

    async def job(self, job: Named | str) -> Job:
        """The job as it is now. Raises: UnknownJob."""
        return read(Job, await self._sender.json("GET", f"/v1/jobs/{path_of(job)}"))

    def jobs(self, *, status: JobStatus | None = None, page_size: int = 50) -> AsyncGenerator[Job]:
        """All jobs, newest first, page by page as they are asked for."""
        return each(
            self._sender, "/v1/jobs", Job, {"limit": page_size} | ({} if status is None else {"status": status})
        )

    def events(
        self,
        job: Named | str,
        *,
        previews: bool = False,
        after: str | None = None,
        timeout_seconds: float | None = None,
        on_disconnect: OnDisconnect = "keep",
    ) -> AsyncGenerator[Event]:
        """What happens to a job, from its first event, or from the one after the id `after`, to its last.

        A lost connection is made again and goes on where it was. `previews` asks for pictures on the way. With
        `on_disconnect` cancel, the job goes with the last who follows it, also when only the connection is lost.
        Raises: UnknownJob; WaitTimedOut.
        """
        return Follower(
            self._sender,
            id_of(job),
            after=after,
            timeout_seconds=timeout_seconds,
            query={"previews": previews, "on_disconnect": on_disconnect},
        ).events()

    async def wait(
        self, job: Named | str, *, timeout_seconds: float | None = None, on_disconnect: OnDisconnect = "keep"
    ) -> Job:
        """The job when it has ended, however it did. Raises: UnknownJob; WaitTimedOut."""
        if isinstance(job, Job) and job.ended:
            return job
        events = self.events(job, timeout_seconds=timeout_seconds, on_disconnect=on_disconnect)
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Ended):
                    return event.job
        return await self.job(job)

    async def pictures(
        self, job: Named | str, *, timeout_seconds: float | None = None, on_disconnect: OnDisconnect = "keep"
    ) -> Pictures:
        """The pictures of a job, when it has succeeded.

        Raises: UnknownJob; WaitTimedOut; JobCancelled; the error that the job failed with, which has the job.
        """
        job = success(await self.wait(job, timeout_seconds=timeout_seconds, on_disconnect=on_disconnect))
        return Pictures(job, tuple([Picture(image, await self.artifact(image)) for image in job.images]))

    async def cancel(self, job: Named | str) -> Job:
        """Asks for the end of a job, and returns it as it is then; one that has ended stays as it is."""
        return read(Job, await self._sender.json("POST", f"/v1/jobs/{path_of(job)}/cancel"))

    async def delete(self, job: Named | str) -> None:
        """Removes an ended job and its pictures. Raises: UnknownJob; JobNotEnded."""
        await self._remove(f"/v1/jobs/{path_of(job)}")

    async def deliveries(self, job: Named | str) -> list[Delivery]:
        """What the webhook of a job or a fine-tune was sent, and what came of it. Raises: UnknownJob."""
        return await listed(self._sender, f"{place_of(job)}/deliveries", Delivery)

    async def redeliver(self, job: Named | str, delivery: Named | str) -> Delivery:
        """Has a webhook sent again, under the same id. Raises: UnknownJob; UnknownDelivery."""
        path = f"{place_of(job)}/deliveries/{path_of(delivery)}/redeliver"
        return read(Delivery, await self._sender.json("POST", path))

    async def webhook_secret(self, url: str) -> WebhookSecret:
        """What signs all that is sent to this scheme, host and port."""
        return read(WebhookSecret, await self._sender.json("GET", "/v1/webhooks/secret", params={"url": url}))

    async def rotate_webhook_secret(self, url: str) -> WebhookSecret:
        """Replaces that secret; for a while both sign. It is tried once: a second try would end that while."""
        path = "/v1/webhooks/secret/rotate"
        return read(WebhookSecret, await self._sender.once.json("POST", path, params={"url": url}))

    async def artifact(self, image: Named | str) -> bytes:
        """The file of a finished picture. Raises: UnknownArtifact."""
        return await self._content(f"/v1/artifacts/{path_of(image)}")

    async def save(self, image: Named | str, path: str | os.PathLike[str]) -> Path:
        """Writes the file of a finished picture; what was there is replaced. Raises: UnknownArtifact; OSError."""
        content = await self.artifact(image)
        await self._transport.aside(lambda: Path(path).write_bytes(content))
        return Path(path)

    async def verify(self, picture: Source) -> Verification:
        """Whether a picture was made by the service, how, and whether it is as it was: a path, bytes, an open file, or
        an artifact. Nothing is kept. Raises: UnreadableFile; UnknownArtifact; UnsupportedFile; …
        """
        return read(Verification, await self._about("/v1/verify", picture))

    async def replay(self, picture: Source, *, idempotency_key: str | None = None) -> Job:
        """Makes a job that makes a picture again from its receipt; its `replay` says whether the bytes agree.

        Raises: UnreadableFile; UnprovenReceipt; UnknownArtifact; …
        """
        headers = {"Idempotency-Key": idempotency_key or uuid.uuid4().hex}
        return read(Job, await self._about("/v1/replay", picture, headers=headers))

    async def receipt_keys(self) -> ReceiptKeys:
        """The public keys that check receipts, without the service if need be: any JOSE library takes them."""
        return read(ReceiptKeys, await self._sender.json("GET", "/v1/receipts/keys"))

    async def upload(self, source: Source) -> File:
        """Sends a picture or weights: a path, bytes, or an open file. Raises: UnreadableFile; UnsupportedFile; …"""
        return await self._upload("file", source)

    def files(self, *, page_size: int = 50) -> AsyncGenerator[File]:
        """All files that can be named, newest first, page by page as they are asked for."""
        return each(self._sender, "/v1/files", File, {"limit": page_size})

    async def file(self, file: Named | str) -> File:
        """What a file is. Raises: UnknownFile."""
        return read(File, await self._sender.json("GET", f"/v1/files/{path_of(file)}"))

    async def file_content(self, file: Named | str) -> bytes:
        """The bytes of a file as they are kept. Raises: UnknownFile."""
        return await self._content(f"/v1/files/{path_of(file)}/content")

    async def delete_file(self, file: Named | str) -> None:
        """Removes a file. Raises: UnknownFile; FileInUse."""
        await self._remove(f"/v1/files/{path_of(file)}")

    async def models(self) -> list[Model]:
        """The models on offer."""
        return await listed(self._sender, "/v1/models", Model)

    async def model(self, model: Named | str) -> ModelDetail:
        """What one model may be asked for, and what live workers say of it. Raises: UnknownModel."""
        return read(ModelDetail, await self._sender.json("GET", f"/v1/models/{path_of(model)}"))

    async def architecture(self, model: Named | str) -> Architecture:
        """What one model is made of, block by block. Raises: UnknownModel, UnmeasuredModel."""
        return read(Architecture, await self._sender.json("GET", f"/v1/models/{path_of(model)}/architecture"))

    async def adapters(self) -> list[Adapter]:
        """The adapters on offer."""
        return await listed(self._sender, "/v1/adapters", Adapter)

    async def adapter(self, adapter: Named | str) -> Adapter:
        """Which models one adapter fits. Raises: UnknownAdapter."""
        return read(Adapter, await self._sender.json("GET", f"/v1/adapters/{path_of(adapter)}"))

    async def classifiers(self) -> list[Classifier]:
        """The classifiers that guidance may follow."""
        return await listed(self._sender, "/v1/classifiers", Classifier)

    async def classifier(self, classifier: Named | str) -> Classifier:
        """Which labels one classifier offers. Raises: UnknownClassifier."""
        return read(Classifier, await self._sender.json("GET", f"/v1/classifiers/{path_of(classifier)}"))

    async def _post(self, prompt: str | None, fields: Fields, **parts: Any) -> Any:
        said = {} if prompt is None else {"prompt": prompt}
        body = said | await body_of(fields, self._upload)
        return await self._sender.json("POST", "/v1/generations", json=body, **parts)

    async def _about(self, path: str, picture: Source, **parts: Any) -> Any:
        """The answer to a call about a picture, which is named if it is an artifact, and else sent as it is."""
        name = picture if isinstance(picture, str) else getattr(picture, "id", None)
        if isinstance(name, str) and name.startswith("art_"):
            return await self._sender.json("POST", path, json={"file": name}, **parts)
        content = await self._transport.aside(lambda: content_of("file", picture))
        return await self._sender.json("POST", path, files={"file": ("file", content)}, **parts)

    async def _upload(self, field: str, source: object) -> File:
        """Sends what stands in a field, and blames that field if it is refused."""
        content = await self._transport.aside(lambda: content_of(field, source))
        try:
            return read(File, await self._sender.json("POST", "/v1/files", files={"file": ("file", content)}))
        except ServiceError as error:
            error.field = field if error.field == "file" else error.field
            raise
