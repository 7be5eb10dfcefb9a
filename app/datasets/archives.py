"""Zip archives of strangers: how much may be in one, and that nothing of it is believed before it is read.

Nothing is ever unpacked to a disk. What an archive says of itself is judged whole before anything is inflated, and no
entry is read beyond what it has said.
"""

import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Any, BinaryIO, cast

from contract.errors import DamagedFile, LimitExceeded, SafelightError, UnsupportedFile

MAX_FILES = 4000
"""Files of one call: pictures, captions and targets."""

MAX_DIRECTORY_BYTES = 1024 * 1024
"""The most that is read of an archive at once, and so the longest directory: some ten thousand entries."""

MAX_READ_BYTES = MAX_DIRECTORY_BYTES + 1
MAX_RATIO = 100
FREE_BYTES = 1024 * 1024
"""What is larger than this may inflate by so much; pictures do not, and texts are not so large."""

CHUNK_BYTES = 64 * 1024
ENCRYPTED = 0x1
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in an archive."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    @property
    def name(self) -> str:
        """Its path in the archive."""
        return self.info.filename

    @property
    def num_bytes(self) -> int:
        """The size that it says; no more is ever read."""
        return self.info.file_size

    def read(self) -> bytes:
        """Its bytes, at most as many as it says. Raises: DamagedFile, UnsupportedFile."""
        if self.info.compress_type not in METHODS:
            raise UnsupportedFile("The file is packed in another way than by deflating.")
        output = BytesIO()
        # Asked for everything at once, the library inflates without bounds before it cuts off.
        with damaged_when_unreadable("file"), self.archive.open(self.info) as opened:
            while piece := opened.read(CHUNK_BYTES):
                output.write(piece)
        return output.getvalue()


def entries_of(file: BinaryIO, max_bytes: int) -> list[Entry]:
    """The files in an archive, folders left out. Raises: DamagedFile, UnsupportedFile, LimitExceeded."""
    with damaged_when_unreadable("archive"):
        archive = zipfile.ZipFile(cast(IO[bytes], Careful(file)))
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MAX_FILES:
        raise LimitExceeded(f"The archive has {len(infos)} files, and {MAX_FILES} are allowed.")
    for info in infos:
        _check(info)
    if (num_bytes := sum(info.file_size for info in infos)) > max_bytes:
        raise LimitExceeded(f"Unpacked, the archive has {num_bytes} bytes, and {max_bytes} are allowed.")
    return [Entry(archive, info) for info in infos]


def check_name(name: str) -> None:
    """Raises UnsupportedFile for a name that leads out of a folder, or that people cannot read."""
    parts = name.split("/")
    if ".." in parts or not parts[0] or "\\" in name or ":" in parts[0] or not name.isprintable() or len(name) > 250:
        raise UnsupportedFile(f"The file name {name[:100]!r} is not a path within a folder.")


class Careful:
    """A file of which nobody reads more at once than a directory may take: the library reads one as a whole."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, num_bytes: int = -1) -> bytes:
        """Raises: LimitExceeded."""
        content = self._file.read(min(num_bytes, MAX_READ_BYTES) if num_bytes >= 0 else MAX_READ_BYTES)
        if len(content) == MAX_READ_BYTES:
            raise LimitExceeded(f"The directory of the archive has more than {MAX_DIRECTORY_BYTES} bytes.")
        return content

    def __getattr__(self, name: str) -> Any:
        """The rest is the file's own."""
        return getattr(self._file, name)


def _check(info: zipfile.ZipInfo) -> None:
    check_name(info.filename)
    if info.flag_bits & ENCRYPTED:
        raise UnsupportedFile("The archive is encrypted.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise UnsupportedFile(f"{info.filename!r} is a link; send the file itself.")
    if info.file_size > max(FREE_BYTES, MAX_RATIO * info.compress_size):
        raise LimitExceeded(f"{info.filename!r} inflates to more than {MAX_RATIO} times its size.")


@contextmanager
def damaged_when_unreadable(what: str) -> Iterator[None]:
    """This turns whatever the library raises over bytes that contradict each other into DamagedFile."""
    try:
        yield
    except (SafelightError, MemoryError):
        raise
    except Exception as error:
        raise DamagedFile(f"The {what} is cut off, or its bytes contradict each other.") from error
