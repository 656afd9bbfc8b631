"""What split reads and writes: kept photos, splits and placements."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, exists, func, insert, or_, select
from sqlalchemy.orm import Session, aliased

from carharvest.catalog.rows import sighting_of
from carharvest.catalog.schema import (
    GroupRow,
    LabelRow,
    MemberRow,
    PhotoRow,
    PlacementRow,
    SightingRow,
    SplitRow,
    VerdictRow,
)
from carharvest.catalog.store import Catalog
from carharvest.records import ABOUT_BRAND, PERSON, KeptPhoto, Placed, Sighting


def kept_photos(catalog: Catalog) -> list[KeptPhoto]:
    """Photos that no stage drops and that carry one brand and a random name, in order of their sha256."""
    brand, view, name = aliased(LabelRow), aliased(LabelRow), aliased(LabelRow)
    one_view = (
        select(func.min(view.value))
        .where(view.photo_id == PhotoRow.id, view.kind == "view", counted_label(view))
        .having(func.count() == 1)
        .scalar_subquery()
    )
    query = (
        select(PhotoRow.id, PhotoRow.sha256, PhotoRow.ext, brand.value, one_view, name.value, GroupRow.key)
        .select_from(PhotoRow)
        .join(brand, (brand.photo_id == PhotoRow.id) & (brand.kind == "brand") & counted_label(brand))
        .join(name, (name.photo_id == PhotoRow.id) & (name.kind == "file_name"))
        .outerjoin(MemberRow, MemberRow.photo_id == PhotoRow.id)
        .outerjoin(GroupRow, GroupRow.id == MemberRow.group_id)
        .where(~is_dropped(PhotoRow.id))
        .order_by(PhotoRow.sha256)
    )
    with catalog.reading() as session:
        return [
            KeptPhoto(
                id=id_, sha256=sha256, ext=ext, brand=label, view=seen, file_name=file_name, group_key=group or sha256
            )
            for id_, sha256, ext, label, seen, file_name, group in session.execute(query)
        ]


def is_dropped(photo_id: Any) -> ColumnElement[bool]:
    """SQL: a person drops the photo, or some stage would and no person keeps it.

    What stages object to in the brand is settled where a person has named the brand.
    """
    verdict, word, named = aliased(VerdictRow), aliased(VerdictRow), aliased(LabelRow)
    is_kept = exists().where(word.photo_id == photo_id, word.stage == PERSON, word.keep)
    is_named = exists().where(named.photo_id == photo_id, named.stage == PERSON, named.kind == "brand")
    counts = ~verdict.keep & ~(verdict.reason.in_(ABOUT_BRAND) & is_named)
    return exists().where(verdict.photo_id == photo_id, counts) & ~is_kept


def counted_label(label: Any) -> ColumnElement[bool]:
    """SQL: the label is a person's, or no person has said another of its kind."""
    word = aliased(LabelRow)
    is_overruled = exists().where(word.photo_id == label.photo_id, word.kind == label.kind, word.stage == PERSON)
    return or_(label.stage == PERSON, ~is_overruled)


def credited_sightings(catalog: Catalog, photo_ids: Sequence[int]) -> dict[int, Sighting]:
    """The sighting of each photo that tells whom to credit: the first with a licence, else with an author, else any."""
    found: dict[int, Sighting] = {}
    with catalog.reading() as session:
        for start in range(0, len(photo_ids), 1000):
            chunk = photo_ids[start : start + 1000]
            tells_most = (SightingRow.license == "", SightingRow.author == "", SightingRow.id)
            rows = select(SightingRow).where(SightingRow.photo_id.in_(chunk)).order_by(*tells_most)
            for row in session.scalars(rows):
                found.setdefault(row.photo_id, sighting_of(row))
    return found


def split_plan(catalog: Catalog, name: str) -> Mapping[str, Any] | None:
    """The plan of a split by that name, or None."""
    with catalog.reading() as session:
        row = session.execute(select(SplitRow).where(SplitRow.name == name)).scalar_one_or_none()
        return row.plan if row else None


def newest_split(catalog: Catalog) -> str | None:
    with catalog.reading() as session:
        return session.execute(select(SplitRow.name).order_by(SplitRow.created_at.desc(), SplitRow.id.desc())).scalar()


def save_split(catalog: Catalog, name: str, plan: Mapping[str, Any], placed: Sequence[Placed], run_id: int) -> None:
    """Writes a split and its placements; one of the same name is replaced."""
    with catalog.writing() as session:
        session.execute(delete(SplitRow).where(SplitRow.name == name))
        row = SplitRow(name=name, plan=dict(plan), created_at=datetime.now(UTC), run_id=run_id)
        session.add(row)
        session.flush()
        _insert_placements(session, row.id, placed)


def _insert_placements(session: Session, split_id: int, placed: Sequence[Placed]) -> None:
    rows = [
        {
            "split_id": split_id,
            "photo_id": p.photo.id,
            "part": p.part,
            "class_name": p.class_name,
            "file_name": p.photo.file_name,
            "group_key": p.photo.group_key,
        }
        for p in placed
    ]
    if rows:
        session.execute(insert(PlacementRow), rows)
