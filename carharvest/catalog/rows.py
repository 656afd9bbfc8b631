"""Rows of the tables turned into the records that travel, and back."""

from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from carharvest.catalog.schema import PhotoRow, SightingRow
from carharvest.records import Annotation, Candidate, Fetched, Fingerprint, SaidBox, Sighting

_FINGERPRINT = [field.name for field in fields(Fingerprint)]


def fingerprint_of(row: PhotoRow) -> Fingerprint:
    return Fingerprint(
        format=row.format,
        ext=row.ext,
        width_px=row.width_px,
        height_px=row.height_px,
        exif_orientation=row.exif_orientation,
        frames=row.frames,
        phash=row.phash,
        phash_mirrored=row.phash_mirrored,
        phash_flipped=row.phash_flipped,
        phash_rotated=row.phash_rotated,
        detail_hash=row.detail_hash,
        chroma=row.chroma,
        brightness=row.brightness,
        contrast=row.contrast,
        blur_var=row.blur_var,
        mode=row.mode,
        entropy_bits=row.entropy_bits,
        colour=row.colour,
        border=row.border,
        taken_at=row.taken_at,
    )


def photo_values(fetched: Fetched, now: datetime, run_id: int) -> dict[str, Any]:
    return {
        **{name: getattr(fetched.fingerprint, name) for name in _FINGERPRINT},
        "sha256": fetched.sha256,
        "size_bytes": fetched.size_bytes,
        "added_at": now,
        "run_id": run_id,
    }


def sighting_of(row: SightingRow) -> Sighting:
    return Sighting(
        source=row.source,
        url=row.url,
        query=row.query,
        brand_asked=row.brand_asked,
        view_asked=row.view_asked,
        title=row.title,
        alt=row.alt,
        author=row.author,
        author_url=row.author_url,
        license=row.license,
        license_url=row.license_url,
        page_url=row.page_url,
        folder=row.folder,
        file_name=row.file_name,
        seen_at=row.seen_at.isoformat(timespec="seconds"),
        taken_at=row.taken_at,
        annotation=_annotation_of(row.annotation),
    )


def sighting_values(candidate: Candidate, photo_id: int, now: datetime, run_id: int) -> dict[str, Any]:
    return {
        "photo_id": photo_id,
        "source": candidate.source,
        "url": candidate.url,
        "version": candidate.version,
        "query": candidate.query,
        "brand_asked": candidate.brand_asked,
        "view_asked": candidate.view_asked,
        "title": candidate.title,
        "alt": candidate.alt,
        "author": candidate.author,
        "author_url": candidate.author_url,
        "license": candidate.license,
        "license_url": candidate.license_url,
        "page_url": candidate.page_url,
        "folder": candidate.folder,
        "file_name": candidate.file_name,
        "taken_at": candidate.taken_at,
        "annotation": asdict(candidate.annotation) if candidate.annotation else None,
        "seen_at": now,
        "run_id": run_id,
    }


def _annotation_of(said: dict[str, Any] | None) -> Annotation | None:
    if said is None:
        return None
    boxes = tuple(SaidBox(**box) for box in said["boxes"])
    return Annotation(**{**said, "class_names": tuple(said["class_names"]), "boxes": boxes})
