"""What normalize reads and writes: photos as a stage sees them, labels, verdicts, groups, watermarks."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

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
from carharvest.records import Label, Membership, Opinion, Photo, Verdict

_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class StageMark:
    """How far a stage has looked. A photo with a later sighting is new to it."""

    key: str = ""
    last_sighting_id: int = 0


def stage_mark(catalog: Catalog, stage: str) -> StageMark:
    with catalog.reading() as session:
        row = session.get(StageMarkRow, stage)
        return StageMark(row.key, row.last_sighting_id) if row else StageMark()


def last_sighting_id(catalog: Catalog) -> int:
    with catalog.reading() as session:
        return session.execute(select(func.max(SightingRow.id))).scalar() or 0


def photo_ids_after(catalog: Catalog, sighting_id: int) -> list[int]:
    """Photos with a sighting later than this one, in the order they were added."""
    with catalog.reading() as session:
        query = select(SightingRow.photo_id).where(SightingRow.id > sighting_id).distinct().order_by("photo_id")
        return list(session.execute(query).scalars())


def photos(catalog: Catalog, ids: Sequence[int], earlier_stages: Collection[str]) -> Iterator[Photo]:
    """The photos with their sightings and with what the earlier stages said of them; a chunk in memory at a time."""
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        with catalog.reading() as session:
            yield from _chunk_of_photos(session, chunk, earlier_stages)


def replace_opinions(
    catalog: Catalog, stage: str, looked_at: Sequence[int], opinions: Sequence[Opinion], mark: StageMark, run_id: int
) -> None:
    """What a stage says now of the photos it looked at takes the place of what it said before; all or nothing."""
    with catalog.writing() as session:
        opinions_changed(session)
        for start in range(0, len(looked_at), _CHUNK):
            chunk = looked_at[start : start + _CHUNK]
            session.execute(delete(LabelRow).where(LabelRow.stage == stage, LabelRow.photo_id.in_(chunk)))
            session.execute(delete(VerdictRow).where(VerdictRow.stage == stage, VerdictRow.photo_id.in_(chunk)))
        _insert_labels(session, stage, opinions)
        _insert_verdicts(session, stage, opinions)
        memberships = [o for o in opinions if isinstance(o, Membership)]
        has_groups = session.execute(select(GroupRow.id).where(GroupRow.stage == stage).limit(1)).first()
        if memberships or has_groups:
            _replace_groups(session, stage, memberships)
        values = {"key": mark.key, "last_sighting_id": mark.last_sighting_id, "run_id": run_id}
        session.execute(
            upsert(StageMarkRow)
            .values(stage=stage, **values)
            .on_conflict_do_update(index_elements=["stage"], set_=values)
        )


def _chunk_of_photos(session: Session, ids: Sequence[int], earlier_stages: Collection[str]) -> Iterator[Photo]:
    def of_chunk(column: InstrumentedAttribute[int]) -> ColumnElement[bool]:
        return column.in_(ids)

    sightings = defaultdict(list)
    for sighting in session.scalars(select(SightingRow).where(of_chunk(SightingRow.photo_id)).order_by(SightingRow.id)):
        sightings[sighting.photo_id].append(sighting_of(sighting))
    labels: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for label in session.scalars(
        select(LabelRow)
        .where(of_chunk(LabelRow.photo_id), LabelRow.stage.in_(earlier_stages))
        .order_by(LabelRow.confidence.desc(), LabelRow.id)
    ):
        labels[label.photo_id][label.kind].append(label.value)
    drops = defaultdict(list)
    for verdict in session.scalars(
        select(VerdictRow).where(of_chunk(VerdictRow.photo_id), VerdictRow.stage.in_(earlier_stages), ~VerdictRow.keep)
    ):
        drops[verdict.photo_id].append(verdict.reason)
    for row in session.scalars(select(PhotoRow).where(of_chunk(PhotoRow.id)).order_by(PhotoRow.id)):
        yield Photo(
            id=row.id,
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            fingerprint=fingerprint_of(row),
            sightings=tuple(sightings[row.id]),
            labels={kind: tuple(values) for kind, values in labels[row.id].items()},
            drops=tuple(drops[row.id]),
        )


def _insert_labels(session: Session, stage: str, opinions: Sequence[Opinion]) -> None:
    rows = [
        {
            "photo_id": o.photo_id,
            "kind": o.kind,
            "value": o.value,
            "stage": stage,
            "method": o.method,
            "confidence": o.confidence,
            "evidence": dict(o.evidence),
        }
        for o in opinions
        if isinstance(o, Label)
    ]
    if rows:
        session.execute(insert(LabelRow), rows)


def _insert_verdicts(session: Session, stage: str, opinions: Sequence[Opinion]) -> None:
    rows = [
        {"photo_id": o.photo_id, "stage": stage, "keep": o.keep, "reason": o.reason, "evidence": dict(o.evidence)}
        for o in opinions
        if isinstance(o, Verdict)
    ]
    if rows:
        session.execute(insert(VerdictRow), rows)


def _replace_groups(session: Session, stage: str, memberships: Sequence[Membership]) -> None:
    session.execute(delete(GroupRow).where(GroupRow.stage == stage))
    keys = sorted({m.group_key for m in memberships})
    if not keys:
        return
    session.execute(insert(GroupRow), [{"key": key, "stage": stage} for key in keys])
    ids = dict(session.execute(select(GroupRow.key, GroupRow.id).where(GroupRow.stage == stage)).all())
    rows = [
        {
            "photo_id": m.photo_id,
            "group_id": ids[m.group_key],
            "relation": m.relation,
            "of_photo_id": m.of_photo_id,
            "distance_bits": m.distance_bits,
            "detail_bits": m.detail_bits,
            "transform": m.transform,
        }
        for m in memberships
    ]
    session.execute(insert(MemberRow), rows)
