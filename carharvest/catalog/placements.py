"""What split reads and writes: kept photos, splits and placements."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import itemgetter
from sys import intern
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, case, delete, exists, func, insert, null, or_, select
from sqlalchemy.orm import Session, aliased

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
from carharvest.errors import NotFound
from carharvest.records import ABOUT_BRAND, PARTS, PERSON, Box, KeptPhoto, Origin, Placed, part_named

# The sighting to credit comes first: one with a licence, else with an author, else any.
_TELLS_MOST = (SightingRow.license == "", SightingRow.author == "", SightingRow.id)
_NOTHING: Mapping[str, list[str]] = {}
_ONE = ("view", "model", "year", "part")  # kinds of labels of which a photo has one, or none that counts


def kept_photos(catalog: Catalog) -> list[KeptPhoto]:
    """Photos that no stage drops and that carry one brand and a random name, in order of their sha256."""
    brand, name = aliased(LabelRow), aliased(LabelRow)
    query = (
        select(*_COLUMNS, brand.value, name.value, GroupRow.key, null())
        .select_from(PhotoRow)
        .join(brand, (brand.photo_id == PhotoRow.id) & (brand.kind == "brand") & counted_label(brand))
        .join(name, (name.photo_id == PhotoRow.id) & (name.kind == "file_name"))
        .outerjoin(MemberRow, MemberRow.photo_id == PhotoRow.id)
        .outerjoin(GroupRow, GroupRow.id == MemberRow.group_id)
        .where(~is_dropped(PhotoRow.id))
    )
    with catalog.reading() as session:
        # Sorted here: in SQL it would lead the database through the photos in random order.
        rows = sorted(session.connection().execute(query), key=itemgetter(1))
        undecided = _with_several_brands(session)
        rows = [row for row in rows if row[0] not in undecided] if undecided else rows
        ids = select(name.photo_id).where(name.kind == "file_name")
        return list(_photos(session, rows, ids))


def placed_photos(catalog: Catalog, split: str) -> list[Placed]:
    """The photos of a split, whatever is said of them now, in order of part, class and file name.

    Their groups are those that are known now, of what looks alike only.
    Raises NotFound.
    """
    split_id = select(SplitRow.id).where(SplitRow.name == split).scalar_subquery()
    brand = select(func.min(LabelRow.value)).where(LabelRow.photo_id == PhotoRow.id, LabelRow.kind == "brand")
    is_copy = case((MemberRow.relation == "copy", MemberRow.of_photo_id))
    named = func.coalesce(brand.where(counted_label(LabelRow)).scalar_subquery(), PlacementRow.class_name)
    query = (
        select(
            *_COLUMNS, named, PlacementRow.file_name, GroupRow.key, is_copy, PlacementRow.part, PlacementRow.class_name
        )
        .select_from(PlacementRow)
        .join(PhotoRow, PhotoRow.id == PlacementRow.photo_id)
        .outerjoin(MemberRow, MemberRow.photo_id == PhotoRow.id)
        .outerjoin(GroupRow, GroupRow.id == MemberRow.group_id)
        .where(PlacementRow.split_id == split_id)
        .order_by(PlacementRow.class_name, PlacementRow.file_name)
    )
    if split_plan(catalog, split) is None:
        raise NotFound(f"there is no split {split!r}", hint="carharvest status names those there are")
    with catalog.reading() as session:
        rows = session.execute(query).all()
        ids = select(PlacementRow.photo_id).where(PlacementRow.split_id == split_id)
        found = [
            Placed(photo, part, class_name)
            for photo, (*_, part, class_name) in zip(_photos(session, rows, ids), rows, strict=True)
        ]
    return sorted(found, key=lambda p: PARTS.index(p.part))


def undecided_photos(catalog: Catalog) -> int:
    """Photos that a person keeps although their sightings name several brands, without saying which one it is."""
    with catalog.reading() as session:
        return len(_with_several_brands(session))


def _with_several_brands(session: Session) -> set[int]:
    kept = select(VerdictRow.photo_id).where(VerdictRow.stage == PERSON, VerdictRow.keep)
    several = (
        select(LabelRow.photo_id)
        .where(LabelRow.kind == "brand", LabelRow.photo_id.in_(kept), counted_label(LabelRow))
        .group_by(LabelRow.photo_id)
        .having(func.count(LabelRow.value.distinct()) > 1)
    )
    return set(session.scalars(several))


_COLUMNS = (
    PhotoRow.id,
    PhotoRow.sha256,
    PhotoRow.ext,
    PhotoRow.width_px,
    PhotoRow.height_px,
    PhotoRow.size_bytes,
    PhotoRow.exif_orientation,
    PhotoRow.taken_at,
)


def _photos(session: Session, rows: Sequence[Any], ids: Select[int]) -> Iterator[KeptPhoto]:
    """Photos of these rows with what is labelled and said of them; `ids` selects at least theirs."""
    labels = _labels(session, ids)
    credited = _credited(session, ids)
    for id_, sha256, ext, width, height, size, turned, taken, brand, file_name, group, copy_of, *_ in rows:
        said = labels.get(id_) or _NOTHING
        one = {kind: values[0] for kind, values in said.items() if kind in _ONE and len(values) == 1} if said else {}
        source, license_, author, page, seen_at, said_taken = credited.get(id_, ("", "", "", "", None, ""))
        yield KeptPhoto(
            id=id_,
            sha256=sha256,
            ext=intern(ext),
            brand=intern(brand),
            view=one.get("view"),
            file_name=file_name,
            group_key=group or sha256,
            copy_of=copy_of,
            model=one.get("model"),
            year=int(one["year"]) if "year" in one else None,
            own_part=part_named(one["part"]) if "part" in one else None,
            boxes=tuple(Box.parsed(text) for text in said.get("box", ())),
            width_px=width,
            height_px=height,
            size_bytes=size,
            exif_orientation=turned,
            taken_at=taken or said_taken,
            source=source,
            license=license_,
            author=author,
            page_url=page,
            seen_at=seen_at.isoformat(timespec="seconds") if seen_at else "",
        )


def _labels(session: Session, ids: Select[int]) -> dict[int, dict[str, list[str]]]:
    """Photo id -> kind -> different values; a person's alone, where there is one."""
    rows = (
        select(LabelRow.photo_id, LabelRow.kind, LabelRow.value)
        .where(LabelRow.kind.in_((*_ONE, "box")), LabelRow.photo_id.in_(ids), counted_label(LabelRow))
        .order_by(LabelRow.photo_id, LabelRow.id)
    )
    found: dict[int, dict[str, list[str]]] = {}
    for photo_id, kind, value in session.connection().execute(rows):
        values = found.setdefault(photo_id, {}).setdefault(intern(kind), [])
        if value not in values:
            values.append(intern(value))
    return found


def _credited(session: Session, ids: Select[int]) -> dict[int, Any]:
    """Photo id -> what the sighting that is credited says."""
    s = SightingRow
    rows = (
        select(s.photo_id, s.source, s.license, s.author, s.page_url, s.seen_at, s.taken_at)
        .where(s.photo_id.in_(ids))
        .order_by(s.photo_id, *_TELLS_MOST)
    )
    found: dict[int, Any] = {}
    for photo_id, source, license_, author, page, seen_at, taken in session.connection().execute(rows):
        if photo_id not in found:
            found[photo_id] = (intern(source), intern(license_), intern(author), page, seen_at, taken)
    return found


def is_dropped(photo_id: Any) -> ColumnElement[bool]:
    """SQL: a person drops the photo, or some stage would and no person keeps it.

    What stages object to in the brand is settled where a person has named the brand.
    """
    verdict, word, named = aliased(VerdictRow), aliased(VerdictRow), aliased(LabelRow)
    is_kept = exists().where(word.photo_id == photo_id, word.stage == PERSON, word.keep)
    # Tied to the verdict: to the photo itself, two selects away, SQLAlchemy would not tie it, and any name would do.
    is_named = exists().where(named.photo_id == verdict.photo_id, named.stage == PERSON, named.kind == "brand")
    counts = ~verdict.keep & ~(verdict.reason.in_(ABOUT_BRAND) & is_named)
    return exists().where(verdict.photo_id == photo_id, counts) & ~is_kept


def counted_label(label: Any) -> ColumnElement[bool]:
    """SQL: the label is a person's, or no person has said another of its kind."""
    word = aliased(LabelRow)
    is_overruled = exists().where(word.photo_id == label.photo_id, word.kind == label.kind, word.stage == PERSON)
    return or_(label.stage == PERSON, ~is_overruled)


# One statement for any number of photos, so that it is prepared once.
_WANTED = func.json_each(bindparam("ids")).table_valued("value", name="wanted")
_ORIGINS = (
    select(*(getattr(SightingRow, name) for name in Origin._fields), SightingRow.photo_id)
    .where(SightingRow.photo_id.in_(select(_WANTED.c.value)))
    .order_by(*_TELLS_MOST)
)


def origins(catalog: Catalog, photo_ids: Sequence[int]) -> dict[int, Origin]:
    """What the sighting of each photo says that tells whom to credit: one with a licence, else an author, else any."""
    found: dict[int, Origin] = {}
    with catalog.reading() as session:
        for start in range(0, len(photo_ids), 1000):
            chunk = photo_ids[start : start + 1000]
            for row in session.connection().execute(_ORIGINS, {"ids": json.dumps(chunk)}):
                if row[-1] not in found:
                    found[row[-1]] = Origin._make(row[:-1])
    return found


def split_plan(catalog: Catalog, name: str) -> Mapping[str, Any] | None:
    """The plan of a split by that name, or None."""
    with catalog.reading() as session:
        row = session.execute(select(SplitRow).where(SplitRow.name == name)).scalar_one_or_none()
        return row.plan if row else None


def newest_split(catalog: Catalog) -> str | None:
    with catalog.reading() as session:
        return session.execute(select(SplitRow.name).order_by(SplitRow.created_at.desc(), SplitRow.id.desc())).scalar()


def split_digest(catalog: Catalog, name: str) -> str:
    """The digest of what a split's folder has to hold; "" where there is no such split."""
    with catalog.reading() as session:
        return session.execute(select(SplitRow.digest).where(SplitRow.name == name)).scalar() or ""


@contextmanager
def saved_split(
    catalog: Catalog, name: str, plan: Mapping[str, Any], digest: str, placed: Sequence[Placed], run_id: int
) -> Iterator[None]:
    """Writes a split and its placements; one of the same name is replaced. Kept if the body ends well, else as before.

    So the folder is put in its place in the body, and the two say the same.
    """
    with catalog.writing() as session:
        session.execute(delete(SplitRow).where(SplitRow.name == name))
        row = SplitRow(name=name, plan=dict(plan), digest=digest, created_at=datetime.now(UTC), run_id=run_id)
        session.add(row)
        session.flush()
        _insert_placements(session, row.id, placed)
        yield


def _insert_placements(session: Session, split_id: int, placed: Sequence[Placed]) -> None:
    rows = [
        (split_id, p.photo.id, p.part, p.class_name, p.photo.file_name, p.photo.group_key)
        for p in sorted(placed, key=lambda p: p.photo.id)  # in the order of the index
    ]
    columns = ("split_id", "photo_id", "part", "class_name", "file_name", "group_key")
    if rows:
        connection = session.connection()
        statement = insert(PlacementRow).values({name: bindparam(name) for name in columns})
        connection.exec_driver_sql(str(statement.compile(connection.engine)), rows)
