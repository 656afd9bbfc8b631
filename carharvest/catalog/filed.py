"""Files of a folder that was harvested, each with the photo that it is and the group that it belongs to."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import aliased

from carharvest.catalog.rows import sighting_of
from carharvest.catalog.schema import FailureRow, GroupRow, MemberRow, PhotoRow, SightingRow
from carharvest.catalog.store import Catalog
from carharvest.records import Part


@dataclass(frozen=True, slots=True)
class FiledPicture:
    """A file, where it lies, and what it is to others."""

    url: str
    part: Part | None
    class_name: str
    sha256: str
    area_px: int
    group_key: str
    copy_of: str | None  # sha256 of the photo that it is a copy of


def filed_pictures(catalog: Catalog) -> list[FiledPicture]:
    """Every file whose bytes are a picture, in order of their paths."""
    of = aliased(PhotoRow)
    query = (
        select(SightingRow, PhotoRow, MemberRow.relation, GroupRow.key, of.sha256)
        .join(PhotoRow, PhotoRow.id == SightingRow.photo_id)
        .outerjoin(MemberRow, MemberRow.photo_id == PhotoRow.id)
        .outerjoin(GroupRow, GroupRow.id == MemberRow.group_id)
        .outerjoin(of, of.id == MemberRow.of_photo_id)
        .order_by(SightingRow.url)
    )
    found = []
    with catalog.reading() as session:
        for row, photo, relation, key, other in session.execute(query):
            said = sighting_of(row).annotation
            found.append(
                FiledPicture(
                    url=row.url,
                    part=said.part if said else None,
                    class_name=said.class_names[-1] if said and said.class_names else "",
                    sha256=photo.sha256,
                    area_px=photo.width_px * photo.height_px,
                    group_key=key or photo.sha256,
                    copy_of=other if relation == "copy" else None,
                )
            )
    return found


def unreadable(catalog: Catalog) -> list[tuple[str, str]]:
    """(URL, reason) of files whose bytes are no picture, in order of their paths."""
    with catalog.reading() as session:
        rows = session.execute(select(FailureRow.url, FailureRow.reason).order_by(FailureRow.url))
        return [(url, reason) for url, reason in rows]
