"""Finds the photos that a person means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from carharvest.errors import NotFound

if TYPE_CHECKING:
    from carharvest.catalog.store import Catalog

HELP = "(The start of) a sha256, a random name, a URL, a file name, or a file with its bytes."


def find_photos(catalog: Catalog, name: str) -> list[int]:
    """Ids of the photos known by this name, or with the bytes of this file. Raises NotFound."""
    from carharvest.blobs import file_sha256
    from carharvest.catalog.story import find_photo_ids

    ids = find_photo_ids(catalog, file_sha256(Path(name))) if Path(name).is_file() else []
    ids = ids or find_photo_ids(catalog, name)
    if not ids:
        raise NotFound(
            f"no photo is known as {name!r}",
            hint="name the start of its sha256, its random name, its URL, or a file with the same bytes",
        )
    return ids
