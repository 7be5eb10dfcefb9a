"""From a request of this dialect to its jobs: one, or with hires fix a first one and one more for each picture."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from starlette.requests import ClientDisconnect, Request

from app.admission import NOTHING_BROUGHT, Brought, admit
from app.dialects.automatic1111 import tasks
from app.dialects.automatic1111.asking import Asking, request_of
from app.dialects.automatic1111.image_to_image import ImageToImage
from app.dialects.automatic1111.route import THEIR_NAMES, in_their_words
from app.dialects.automatic1111.settings import Choice, chosen
from app.dialects.automatic1111.text_to_image import OF_SECOND_PASS, TextToImage
from app.dialects.outcomes import succeeded
from app.errors import JobCancelled
from app.resources import Resources
from contract.artifact import artifact_id
from contract.editing import Size
from contract.errors import SafelightError
from contract.job import Job
from contract.request import CompleteRequest

ANY_PICTURE = artifact_id(f"job_{'0' * 32}", 0)
"""Stands for a picture of the first pass before there is one."""


class Made(NamedTuple):
    """What became of a request: its first job, and the jobs whose pictures are the answer."""

    first: Job
    jobs: tuple[Job, ...]


async def made_from_text(asked: TextToImage, request: Request, resources: Resources) -> Made:
    """The pictures of a prompt. Raises: whatever is wrong with the request, and as `outcomes.succeeded`."""
    choice = await chosen(resources, asked.override_settings)
    fields = asked.native("txt2img", choice)
    if not asked.enable_hr:
        return await _in_one_pass(asked, fields, request, resources)
    with in_their_words():
        complete = resources.catalogue.resolve(request_of(fields))
    return await _Hires(asked, complete, _of_second_pass(asked, choice, resources), resources).made(fields, request)


async def made_from_picture(asked: ImageToImage, request: Request, resources: Resources) -> Made:
    """The pictures of a picture. Raises: as `made_from_text`."""
    choice = await chosen(resources, asked.override_settings)
    fields = asked.native("img2img", choice)
    edit = await asked.edit(choice, resources)
    return await _in_one_pass(asked, fields | edit.fields, request, resources, edit.brought)


async def _in_one_pass(
    asked: Asking,
    fields: dict[str, Any],
    request: Request,
    resources: Resources,
    brought: Brought = NOTHING_BROUGHT,
) -> Made:
    with in_their_words():
        job = await _admitted(asked, fields, resources, brought)
        finished = await _finished(job, request, resources)
    return Made(finished, (finished,))


async def _admitted(
    asked: Asking, fields: dict[str, Any], resources: Resources, brought: Brought = NOTHING_BROUGHT
) -> Job:
    job = (await admit(request_of(fields), resources, brought=brought)).job
    if asked.force_task_id is not None:
        await tasks.name(asked.force_task_id, job, resources)
    return job


async def _finished(job: Job, request: Request, resources: Resources) -> Job:
    """The job when it has ended well, or was ended by somebody when some of its pictures were there already."""
    try:
        return await succeeded(job, request, resources)
    except JobCancelled:
        ended = await resources.job_store.get(job.id)
        if not ended.images:
            raise
        return ended


def _of_second_pass(asked: TextToImage, choice: Choice, resources: Resources) -> Choice:
    if asked.hr_checkpoint is None:
        return choice
    with in_their_words(asked.hr_names):
        return choice._replace(model=resources.catalogue.find(asked.hr_checkpoint))


class _Hires(NamedTuple):
    """One request with a second pass; `complete` is what its first pass is."""

    asked: TextToImage
    complete: CompleteRequest
    choice: Choice
    resources: Resources

    async def made(self, fields: dict[str, Any], request: Request) -> Made:
        """Both passes."""
        self._check()
        with in_their_words():
            job = await _admitted(self.asked, fields, self.resources)
        await tasks.record(job, (), self._num_jobs, self.resources)
        try:
            first, further = await self._both(job, request)
        except (ClientDisconnect, SafelightError):
            await tasks.record(job, (), 1, self.resources)
            raise
        with in_their_words(self._names):
            return Made(first, tuple([await _finished(one, request, self.resources) for one in further]))

    def _check(self) -> None:
        """Refuses a second pass that could not be made, before the first one is. Raises: as Catalogue.resolve."""
        fields = self._further(ANY_PICTURE, 0)
        with in_their_words(self._names):
            before = Size(self.complete.height, self.complete.width)
            self.resources.catalogue.resolve(request_of(fields), {"image": before})

    async def _both(self, job: Job, request: Request) -> tuple[Job, Sequence[Job]]:
        """The first pass when it has ended, and the jobs of the second one when they have been admitted."""
        with in_their_words():
            first = await _finished(job, request, self.resources)
        further = await self._admit_further(first)
        await tasks.record(first, further, self._num_jobs, self.resources)
        if await tasks.is_ending(first, self.resources):
            await self._cancel(further)
        return first, further

    async def _admit_further(self, first: Job) -> Sequence[Job]:
        """The jobs of the second pass; none of them where one was refused."""
        if await tasks.is_ending(first, self.resources):
            raise JobCancelled(f"The job {first.id} was cancelled before its second pass.")
        admitted: list[Job] = []
        try:
            for image in first.images:
                fields = self._further(image.id, image.index)
                with in_their_words(self._names):
                    admitted.append((await admit(request_of(fields), self.resources)).job)
        except SafelightError:
            await self._cancel(admitted)
            raise
        return admitted

    def _further(self, image_id: str, index: int) -> dict[str, Any]:
        with in_their_words(OF_SECOND_PASS):
            return self.asked.second_pass(self.complete, image_id, index, self.choice)

    async def _cancel(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            await self.resources.job_store.cancel(job.id)

    @property
    def _num_jobs(self) -> int:
        return 1 + self.complete.num_images

    @property
    def _names(self) -> dict[str, str]:
        return {**THEIR_NAMES, **self.asked.hr_names}
