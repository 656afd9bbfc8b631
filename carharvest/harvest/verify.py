"""Whether rows and blobs agree, and how to bring them to."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from carharvest.blobs import BlobStore, file_sha256
from carharvest.catalog.store import Catalog
from carharvest.catalog.story import blob_names, forget_photos
from carharvest.harvest.fingerprint import decode

Blob = tuple[int, str, str]  # photo id, sha256, ext


@dataclass
class Damage:
    """What verify found."""

    photos: int = 0
    lost: list[Blob] = field(default_factory=list)  # a row without its blob
    damaged: list[Blob] = field(default_factory=list)  # a blob whose bytes are not those of its name
    without_thumbnail: list[Blob] = field(default_factory=list)
    orphans: list[Path] = field(default_factory=list)  # a blob without a row
    leftovers: list[Path] = field(default_factory=list)  # temporary files of a killed run

    @property
    def found(self) -> int:
        lists = (self.lost, self.damaged, self.without_thumbnail, self.orphans, self.leftovers)
        return sum(len(entries) for entries in lists)


def find_damage(
    catalog: Catalog, blobs: BlobStore, thumbnails: BlobStore, progress: Callable[[int, int], None]
) -> Damage:
    """Reads every blob and compares it with its name."""
    rows = list(blob_names(catalog))
    damage = Damage(photos=len(rows))
    for done, row in enumerate(rows, start=1):
        _, sha256, ext = row
        path = blobs.path(sha256, ext)
        if not path.exists():
            damage.lost.append(row)
        elif file_sha256(path) != sha256:
            damage.damaged.append(row)
        elif not _has_bytes(thumbnails.path(sha256, "jpg")):
            damage.without_thumbnail.append(row)
        progress(done, len(rows))
    damage.orphans = [*orphans(catalog, blobs), *orphans(catalog, thumbnails)]
    damage.leftovers = [*blobs.leftovers(), *thumbnails.leftovers()]
    return damage


def orphans(catalog: Catalog, store: BlobStore) -> list[Path]:
    """Blobs or thumbnails of no row: a run was killed between writing them and their row."""
    known = {sha256 for _, sha256, _ in blob_names(catalog)}
    return [path for path in store if path.stem not in known]


def mend(damage: Damage, catalog: Catalog, blobs: BlobStore, thumbnails: BlobStore, max_pixels: int) -> None:
    """Forgets photos whose bytes are gone (scrape fetches them again), removes orphans, makes thumbnails anew."""
    forget_photos(catalog, [photo_id for photo_id, _, _ in (*damage.lost, *damage.damaged)])
    for _, sha256, ext in (*damage.lost, *damage.damaged):
        blobs.path(sha256, ext).unlink(missing_ok=True)
        thumbnails.path(sha256, "jpg").unlink(missing_ok=True)
    for _, sha256, ext in damage.without_thumbnail:
        data = blobs.path(sha256, ext).read_bytes()
        thumbnails.put(decode(data, max_pixels=max_pixels).thumbnail, sha256, "jpg")
    for path in (*damage.orphans, *damage.leftovers):
        path.unlink(missing_ok=True)


def _has_bytes(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False
