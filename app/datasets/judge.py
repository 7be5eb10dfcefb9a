"""Which of the files that were sent become pictures of a data set, and what is wrong with the others."""

import asyncio
from collections.abc import AsyncIterator, Sequence

from app.datasets.archives import check_name
from app.datasets.bounds import Bounds
from app.datasets.captions import Captions, Sent, is_caption, is_captions, stem_of
from app.datasets.problems import FileProblem, ProblemCode, Problems
from app.file_kinds import FileChecker
from contract.datasets import MAX_CAPTION_LENGTH, Dataset, DatasetPicture, NewPicture
from contract.errors import DamagedFile, EmptyDataset, LimitExceeded, UnsupportedFile
from contract.file_content import FileContent

MIN_SIDE = 32
"""Pixels; in less there is nothing to learn from."""

NUM_TOLD = 5
"""So many problems are told where there is no room for all."""

REFUSALS = (UnsupportedFile, DamagedFile, LimitExceeded)


class Unfit(Exception):
    """A picture is well formed, and not one to learn from."""

    def __init__(self, code: ProblemCode, message: str) -> None:
        super().__init__(message)
        self.code: ProblemCode = code


class Judge:
    """Judges the files of one call: for a data set that is new, and therefore empty, or for one that has pictures."""

    def __init__(self, files: Sequence[Sent], into: Dataset, checker: FileChecker, bounds: Bounds) -> None:
        self._files = files
        self._into = into
        self._checker = checker
        self._bounds = bounds
        self._found = Problems([])
        self._captions = Captions(self._found)
        self._targets: dict[str, Sent] = {}
        self._retold: dict[int, str] = {}

    @property
    def problems(self) -> list[FileProblem]:
        """What was found wrong up to now."""
        return self._found.all

    async def pictures(self) -> AsyncIterator[NewPicture]:
        """The good ones, one after the other. Raises: LimitExceeded; EmptyDataset, where there is nothing to keep."""
        pictures = await asyncio.to_thread(self._sort)
        for file in pictures:
            if (picture := await self._judged(file)) is not None:
                self._into = self._bounds.check(self._into.with_pictures([picture.described]))
                yield picture
        self._captions.report_orphans()
        for target in self._targets.values():
            self._found.add(target.name, "orphaned_target", "There is no picture that belongs to this target.")
        if not self._into.pictures:
            told = "; ".join(f"{problem.file_name}: {problem.message}" for problem in self.problems[:NUM_TOLD])
            raise EmptyDataset(f"There is no picture to learn from. {told}".strip())

    def edited(self, dataset: Dataset) -> Dataset:
        """The data set as it is after the call, with new captions of pictures that it had. Raises: LimitExceeded."""
        for picture in dataset.pictures:
            if picture.index in self._retold:
                dataset = dataset.with_caption(picture.index, self._retold[picture.index])
        return self._bounds.check(dataset)

    def _sort(self) -> list[Sent]:
        """Reads the texts, remembers the targets, and returns what should be pictures."""
        files = [file for file in self._files if self._is_taken(file)]
        self._captions.read([file for file in files if _is_text(file)])
        self._retell(self._into.pictures)
        for file in files:
            if _is_target(file) and self._targets.setdefault(stem_of(stem_of(file.name)), file) is not file:
                self._found.add(file.name, "duplicate", "There is another target for this picture.")
        return [file for file in files if not _is_text(file) and not _is_target(file)]

    def _is_taken(self, file: Sent) -> bool:
        """Whether it is worth reading; why not is noted."""
        most = self._checker.max_image_bytes
        try:
            check_name(file.name)
            if file.num_bytes > most:
                raise LimitExceeded(f"The file has {file.num_bytes} bytes, and {most} are allowed.")
        except (UnsupportedFile, LimitExceeded) as error:
            self._found.refuse(file.name, error)
            return False
        return True

    def _retell(self, pictures: Sequence[DatasetPicture]) -> None:
        for picture in pictures:
            caption = self._captions.of(picture.file_name)
            if caption is not None:
                try:
                    self._retold[picture.index] = _checked(caption)
                except Unfit as unfit:
                    self._found.add(picture.file_name, unfit.code, str(unfit))

    async def _judged(self, file: Sent) -> NewPicture | None:
        caption, target = self._captions.of(file.name), self._targets.pop(stem_of(file.name), None)
        try:
            caption = None if caption is None else _checked(caption)
            content = await self._checker.lesson(file.read, field="files")
            picture = self._checked_picture(NewPicture(file.name, caption or "", content))
        except REFUSALS as error:
            self._found.refuse(file.name, error)
            return None
        except Unfit as unfit:
            self._found.add(file.name, unfit.code, str(unfit))
            return None
        if not caption:
            self._found.add(file.name, "no_caption", "There is no caption of this picture.")
        return picture._replace(target=None if target is None else await self._judged_target(target, content))

    def _checked_picture(self, picture: NewPicture) -> NewPicture:
        """The same. Raises: Unfit."""
        described = picture.described
        if min(described.width, described.height) < MIN_SIDE:
            size = f"{described.width} × {described.height}"
            raise Unfit("too_small", f"The picture has {size} pixels, and needs {MIN_SIDE} a side.")
        for other in self._into.pictures:
            if other.sha256 == described.sha256:
                raise Unfit("duplicate", f"The picture has the same pixels as {other.file_name}.")
            if other.file_name == described.file_name:
                raise Unfit("duplicate", "There is another picture of this name.")
        return picture

    async def _judged_target(self, file: Sent, picture: FileContent) -> FileContent | None:
        try:
            target = await self._checker.lesson(file.read, field="files")
        except REFUSALS as error:
            self._found.refuse(file.name, error)
            return None
        if (target.width, target.height) != (picture.width, picture.height):
            self._found.add(file.name, "target_of_other_size", "The target has another size than its picture.")
            return None
        return target


def _is_text(file: Sent) -> bool:
    return is_caption(file.name) or is_captions(file.name)


def _is_target(file: Sent) -> bool:
    return stem_of(file.name).lower().endswith(".target")


def _checked(caption: str) -> str:
    """The same. Raises: Unfit."""
    if len(caption) > MAX_CAPTION_LENGTH:
        raise Unfit("caption_too_long", f"The caption has {len(caption)} characters; {MAX_CAPTION_LENGTH} are allowed.")
    return caption
