"""The store of photos by content: `ab/cd/<sha256>.<ext>`, on disk before anything refers to it."""

import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from carharvest.errors import DiskFull

_BLOB_NAME = re.compile(r"[0-9a-f]{64}\.[a-z0-9]{2,5}")
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class BlobStore:
    """Immutable files named after the sha256 of a photo."""

    root: Path

    def path(self, sha256: str, ext: str) -> Path:
        """Where the blob is or would be."""
        return self.root / sha256[:2] / sha256[2:4] / f"{sha256}.{ext}"

    def put(self, data: bytes, sha256: str, ext: str) -> Path:
        """Writes temp + fsync + rename; a blob that is there with the same size is left alone.

        Raises DiskFull where the disk has no room.
        """
        target = self.path(sha256, ext)
        try:
            if target.stat().st_size == len(data):
                return target
        except FileNotFoundError:
            pass
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_durably(target, data)
        except OSError as error:
            if error.errno in _NO_ROOM:
                raise DiskFull(
                    f"no room left on the disk of {self.root}",
                    hint="make space, then run the same command again: it goes on where it stopped",
                ) from error
            raise
        return target

    def __iter__(self) -> Iterator[Path]:
        """Every blob, in order of its name; temporary files are left out."""
        return (p for p in sorted(self.root.glob("??/??/*")) if _BLOB_NAME.fullmatch(p.name))

    def leftovers(self) -> Iterator[Path]:
        """Temporary files that a killed run left behind."""
        return (p for p in sorted(self.root.glob("??/??/*")) if p.name.startswith(".writing-"))


def write_durably(target: Path, data: bytes) -> None:
    """The file appears whole or not at all, also after a power cut."""
    descriptor, name = tempfile.mkstemp(prefix=".writing-", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
