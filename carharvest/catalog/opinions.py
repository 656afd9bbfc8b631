"""What normalize reads and writes: photos as a stage sees them, labels, verdicts, groups, watermarks."""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, func, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import InstrumentedAttribute, Session

from carharvest.catalog.rows import fingerprint_of, sighting_of
from carharvest.catalog.schema import (
    GroupRow,
    LabelRow,
    MemberRow,
    PhotoRow,
    SightingRow,
    StageMarkRow,
    VerdictRow,
)
from carharvest.catalog.stock import opinions_changed
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import heeded, replace_ties, touch
from carharvest.records import ABOUT_BRAND, PERSON, Label, Membership, Opinion, Photo, Sighting, Tie, Verdict

Values = dict[str, Any]

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class StageMark:
    """How far a stage has looked, and how often it changed its mind. A photo with a later sighting is new to it."""

    key: str = ""
    last_sighting_id: int = 0
    changes: int = 0


# What opinions mean for the groups: they may be others now, they were just made, or this has no bearing on them.
Groups = Literal["outdated", "made", "unconcerned"]


@dataclass(frozen=True, slots=True)
class Looked:
    """Photos that a stage has looked at, and all that it says of them now."""

    photo_ids: Sequence[int]
    opinions: Sequence[Opinion]
    mark: StageMark
    groups: Groups = "unconcerned"


def stage_mark(catalog: Catalog, stage: str) -> StageMark:
    with catalog.reading() as session:
        row = session.get(StageMarkRow, stage)
        return StageMark(row.key, row.last_sighting_id, row.changes) if row else StageMark()


def last_sighting_id(catalog: Catalog) -> int:
    with catalog.reading() as session:
        return session.execute(select(func.max(SightingRow.id))).scalar() or 0


def photo_ids_after(catalog: Catalog, sighting_id: int) -> list[tuple[int, int]]:
    """(photo id, its last sighting's id) of photos with a sighting later than this one, in order of the latter."""
    last = func.max(SightingRow.id)
    query = select(SightingRow.photo_id, last).where(SightingRow.id > sighting_id)
    with catalog.reading() as session:
        return [(row[0], row[1]) for row in session.execute(query.group_by(SightingRow.photo_id).order_by(last))]


def photos(catalog: Catalog, ids: Sequence[int], earlier_stages: Collection[str]) -> Iterator[Photo]:
    """The photos with their sightings and with what a person and the earlier stages said of them, in order of `ids`.

    A chunk in memory at a time. A brand named by a person is the only one.
    """
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        with catalog.reading() as session:
            found = {photo.id: photo for photo in _chunk_of_photos(session, chunk, {PERSON, *earlier_stages})}
        yield from (found[photo_id] for photo_id in chunk)


def save_opinions(catalog: Catalog, stage: str, looked: Looked, run_id: int) -> int:
    """What a stage says now of the photos it looked at takes the place of what it said before; all or nothing.

    Only what differs is written. Returns of how many photos something else is said now.
    """
    of_kind: dict[type, list[Opinion]] = defaultdict(list)
    for opinion in looked.opinions:
        of_kind[type(opinion)].append(opinion)
    ids = sorted(looked.photo_ids)
    with catalog.writing() as session:
        changed = _replace(session, LabelRow, stage, ids, [_label_values(o) for o in of_kind[Label]])
        changed |= _replace(session, VerdictRow, stage, ids, [_verdict_values(o) for o in of_kind[Verdict]])
        changed |= replace_ties(session, stage, ids, of_kind[Tie])
        changed |= _replace_groups(session, stage, ids, of_kind[Membership])
        if changed:
            opinions_changed(session)
        if looked.groups == "outdated":
            touch(session, changed)
        elif looked.groups == "made":
            heeded(session)
        mark = looked.mark
        values = {"key": mark.key, "last_sighting_id": mark.last_sighting_id, "run_id": run_id}
        values["changes"] = mark.changes + bool(changed)
        session.execute(
            upsert(StageMarkRow)
            .values(stage=stage, **values)
            .on_conflict_do_update(index_elements=["stage"], set_=values)
        )
    return len(changed)


def changes_of(catalog: Catalog, stages: Collection[str]) -> dict[str, int]:
    """How often each of the stages changed its mind."""
    with catalog.reading() as session:
        rows = select(StageMarkRow.stage, StageMarkRow.changes).where(StageMarkRow.stage.in_(stages))
        return dict(session.execute(rows).all())


def _chunk_of_photos(session: Session, ids: Sequence[int], earlier_stages: Collection[str]) -> Iterator[Photo]:
    def of_chunk(column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        return column.in_(ids)

    sightings = defaultdict(list)
    for sighting in session.scalars(select(SightingRow).where(of_chunk(SightingRow.photo_id)).order_by(SightingRow.id)):
        sightings[sighting.photo_id].append(sighting_of(sighting))
    labels: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    rows = session.scalars(
        select(LabelRow)
        .where(of_chunk(LabelRow.photo_id), LabelRow.stage.in_(earlier_stages))
        .order_by(LabelRow.stage != PERSON, LabelRow.confidence.desc(), LabelRow.id)
    ).all()
    by_person = {(label.photo_id, label.kind) for label in rows if label.stage == PERSON}
    named = {photo_id for photo_id, kind in by_person if kind == "brand"}
    for label in rows:
        if label.stage == PERSON or (label.photo_id, label.kind) not in by_person:
            labels[label.photo_id][label.kind].append(label.value)
    drops = defaultdict(list)
    kept_by_person = set()
    for verdict in session.scalars(
        select(VerdictRow).where(of_chunk(VerdictRow.photo_id), VerdictRow.stage.in_(earlier_stages))
    ):
        if verdict.stage == PERSON and verdict.keep:
            kept_by_person.add(verdict.photo_id)
        elif not verdict.keep and not (verdict.reason in ABOUT_BRAND and verdict.photo_id in named):
            drops[verdict.photo_id].append(verdict.reason)
    for row in session.scalars(select(PhotoRow).where(of_chunk(PhotoRow.id)).order_by(PhotoRow.id)):
        yield Photo(
            id=row.id,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            fingerprint=fingerprint_of(row),
            sightings=_current(sightings[row.id]),
            labels={kind: tuple(values) for kind, values in labels[row.id].items()},
            drops=() if row.id in kept_by_person else tuple(drops[row.id]),
            kept_by_person=row.id in kept_by_person,
            named_by_person=row.id in named,
        )


def _current(sightings: Sequence[Sighting]) -> tuple[Sighting, ...]:
    """Without what a data set said of the same file before its annotations were changed."""
    last = {(s.source, s.url, s.query): s for s in sightings if s.annotation is not None}
    return tuple(s for s in sightings if s.annotation is None or last[s.source, s.url, s.query] is s)


def _label_values(opinion: Any) -> Values:
    names = ("photo_id", "kind", "value", "method", "confidence")
    return {name: getattr(opinion, name) for name in names} | {"evidence": dict(opinion.evidence)}


def _verdict_values(opinion: Any) -> Values:
    names = ("photo_id", "keep", "reason")
    return {name: getattr(opinion, name) for name in names} | {"evidence": dict(opinion.evidence)}


def _replace(session: Session, table: Any, stage: str, ids: Sequence[int], said: list[Values]) -> set[int]:
    """Brings a stage's rows of these photos to what it says; the photos of which something else is said now."""
    changed: set[int] = set()
    wanted = {_same(values): values for values in said}
    outdated = []
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        for row in session.scalars(select(table).where(table.stage == stage, table.photo_id.in_(chunk))):
            columns = table.__table__.columns.keys()
            values = {name: getattr(row, name) for name in columns if name not in {"id", "stage"}}
            if wanted.pop(_same(values), None) is None:
                outdated.append(row.id)
                changed.add(row.photo_id)
    for start in range(0, len(outdated), _CHUNK):
        session.execute(delete(table).where(table.id.in_(outdated[start : start + _CHUNK])))
    if wanted:
        session.execute(insert(table), [{**values, "stage": stage} for values in wanted.values()])
        changed |= {values["photo_id"] for values in wanted.values()}
    return changed


def _same(values: Values) -> str:
    """Equal for what says the same; evidence goes through JSON, as the database keeps it."""
    return json.dumps(values, sort_keys=True)


def _replace_groups(session: Session, stage: str, ids: Sequence[int], memberships: Sequence[Opinion]) -> set[int]:
    """Groups of a stage are made of whole groups' photos: whoever looks at one member looks at all."""
    before: dict[int, tuple[object, ...]] = {}
    group_ids: set[int] = set()
    for start in range(0, len(ids), _CHUNK):
        rows = (
            select(MemberRow, GroupRow.key)
            .join(GroupRow, GroupRow.id == MemberRow.group_id)
            .where(GroupRow.stage == stage, MemberRow.photo_id.in_(ids[start : start + _CHUNK]))
        )
        for row, key in session.execute(rows):
            before[row.photo_id] = (key, row.relation, row.of_photo_id, _same(row.evidence))
            group_ids.add(row.group_id)
    members = [m for m in memberships if isinstance(m, Membership)]
    after = {m.photo_id: (m.group_key, m.relation, m.of_photo_id, _same(dict(m.evidence))) for m in members}
    changed = {photo_id for photo_id in before.keys() | after.keys() if before.get(photo_id) != after.get(photo_id)}
    if not changed:
        return changed
    outdated = sorted(group_ids)
    for start in range(0, len(outdated), _CHUNK):
        chunk = outdated[start : start + _CHUNK]
        session.execute(delete(MemberRow).where(MemberRow.group_id.in_(chunk)))
        session.execute(delete(GroupRow).where(GroupRow.id.in_(chunk)))
    if members:
        keys = sorted({m.group_key for m in members})
        session.execute(insert(GroupRow), [{"key": key, "stage": stage} for key in keys])
        id_of = dict(session.execute(select(GroupRow.key, GroupRow.id).where(GroupRow.stage == stage)).all())
        session.execute(
            insert(MemberRow),
            [
                {
                    "photo_id": m.photo_id,
                    "group_id": id_of[m.group_key],
                    "relation": m.relation,
                    "of_photo_id": m.of_photo_id,
                    "evidence": dict(m.evidence),
                }
                for m in members
            ],
        )
    return changed
