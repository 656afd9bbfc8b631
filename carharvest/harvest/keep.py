"""What is done with a picture's bytes, in a worker: check, decode once, store durably; plain records in and out."""

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from carharvest.blobs import BlobStore
from carharvest.errors import CarharvestError
from carharvest.harvest.fingerprint import decode
from carharvest.harvest.pixels import UnusablePicture
from carharvest.records import ArchiveMember, Fingerprint, LocalFile
from carharvest.text import printable


class Keeping(Protocol):
    """Where bytes go."""

    def put(self, data: bytes, sha256: str, ext: str) -> object: ...


@dataclass(frozen=True, slots=True)
class Nowhere:
    """For pictures that are only looked at: their bytes stay where they are."""

    def put(self, data: bytes, sha256: str, ext: str) -> object:
        return None


@dataclass(frozen=True, slots=True)
class Stores:
    """Where photos and thumbnails are kept, and how much of them is taken."""

    blobs: Keeping
    thumbnails: BlobStore
    max_bytes: int
    max_pixels: int


@dataclass(frozen=True, slots=True)
class Kept:
    """A photo on disk."""

    sha256: str
    size_bytes: int
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Refused:
    """Bytes that gave no photo, and why."""

    reason: str
    detail: str
    retryable: bool


def kept(data: bytes, stores: Stores) -> Kept | Refused:
    """Stores the photo that the bytes are, if they are one. Raises DiskFull."""
    try:
        decoded = decode(data, max_pixels=stores.max_pixels)
        sha256 = hashlib.sha256(data).hexdigest()
        stores.thumbnails.put(decoded.thumbnail, sha256, "jpg", durable=False)  # verify --repair makes it again
        stores.blobs.put(data, sha256, decoded.fingerprint.ext)
        return Kept(sha256, len(data), decoded.fingerprint)
    except UnusablePicture as error:
        return Refused(error.reason, printable(str(error), 200), retryable=False)
    except CarharvestError:
        raise
    except Exception as error:  # the guard of one item: no candidate may stop the others
        return Refused("unexpected", printable(f"{type(error).__name__}: {error}", 200), retryable=True)


def kept_file(place: LocalFile | ArchiveMember, stores: Stores) -> Kept | Refused:
    """The same for a file of this machine. Raises DiskFull."""
    try:
        data = _bytes_of(place, stores.max_bytes + 1)
    except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        return Refused("unreadable", printable(str(error), 200), retryable=False)
    except OSError as error:
        return Refused("unreadable", error.strerror or type(error).__name__, retryable=True)
    except Exception as error:  # a damaged archive can raise what its decompressor likes
        return Refused("unreadable", printable(f"{type(error).__name__}: {error}", 200), retryable=False)
    if len(data) > stores.max_bytes:
        return Refused("too-large", f"more than {stores.max_bytes:,} bytes", retryable=False)
    if not data:
        return Refused("empty", "the file is empty", retryable=False)
    return kept(data, stores)


def _bytes_of(place: LocalFile | ArchiveMember, most: int) -> bytes:
    if isinstance(place, LocalFile):
        with Path(place.path).open("rb") as file:
            return file.read(most)
    with zipfile.ZipFile(place.archive) as opened, opened.open(place.member) as member:
        return member.read(most)
