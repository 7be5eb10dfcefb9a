"""What is fetched is what the weights were trained on, or it is refused; unpacking stays inside its folder."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from training.fetch import ARCHIVES, DigestMismatch, check, fetch, unpack


def write_tarball(path: Path, member: str) -> None:
    with tarfile.open(path, "w:gz") as tarball:
        info = tarfile.TarInfo(member)
        info.size = 4
        tarball.addfile(info, io.BytesIO(b"true"))


def test_an_archive_with_a_wrong_digest_is_refused_and_not_unpacked(tmp_path: Path) -> None:
    archive = ARCHIVES[0]
    write_tarball(tmp_path / archive.file, "package/true.txt")
    with pytest.raises(DigestMismatch, match=archive.sha256):
        fetch(tmp_path)
    assert not (tmp_path / archive.folder).exists()


def test_an_archive_with_its_digest_passes(tmp_path: Path) -> None:
    path = tmp_path / "archive.tgz"
    path.write_bytes(b"anything")
    check(replace(ARCHIVES[0], sha256=hashlib.sha256(b"anything").hexdigest()), path)


def test_every_archive_is_pinned() -> None:
    for archive in ARCHIVES:
        assert len(archive.sha256) == 64
        version = archive.package.rpartition("==" if "==" in archive.package else "@")[2]
        assert version in archive.file


def test_tarballs_and_wheels_unpack_into_their_folder(tmp_path: Path) -> None:
    write_tarball(tmp_path / "archive.tgz", "package/true.txt")
    with zipfile.ZipFile(tmp_path / "archive.whl", "w") as wheel:
        wheel.writestr("package/wheel.txt", "true")
    for name in ("archive.tgz", "archive.whl"):
        unpack(tmp_path / name, tmp_path / "unpacked")
    assert {path.name for path in (tmp_path / "unpacked/package").iterdir()} == {"true.txt", "wheel.txt"}


def test_a_member_outside_the_folder_is_refused(tmp_path: Path) -> None:
    write_tarball(tmp_path / "archive.tgz", "../outside.txt")
    with pytest.raises(tarfile.OutsideDestinationError):
        unpack(tmp_path / "archive.tgz", tmp_path / "unpacked")
    assert not (tmp_path / "outside.txt").exists()
