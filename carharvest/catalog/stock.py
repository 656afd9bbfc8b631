"""Counts over the whole catalog, kept so that `status` on a million photos need not count them again.

What is kept is taken at the end of each run. What came later is counted by its ids and added; what cannot be added
(verdicts, labels, groups) is dropped in the transaction that changes it and counted anew. So no kept count is wrong.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sqlalchemy import Select, case, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from carharvest.catalog.placements import counted_label, is_dropped
from carharvest.catalog.schema import LabelRow, MemberRow, PhotoRow, SightingRow, StockRow, VerdictRow

_PHOTOS, _OPINIONS = "photos", "opinions"


@dataclass(frozen=True, slots=True)
class PhotoStock:
    """Photos and sightings up to the last ids seen."""

    last_photo_id: int = 0
    last_sighting_id: int = 0
    photos: int = 0
    size_bytes: int = 0
    sightings: int = 0
    sources: Mapping[str, int] = field(default_factory=dict)  # source -> sightings


@dataclass(frozen=True, slots=True)
class OpinionStock:
    """What the stages think, photo by photo counted."""

    photos: int  # that were there when this was counted
    dropped: int
    brands: list[list[Any]]  # [brand or None, photos, kept]
    drops: Mapping[str, int]  # reason -> photos
    flags: Mapping[str, int]  # reason -> photos that are kept all the same
    groups: Mapping[str, int]  # relation -> photos


def photo_stock(session: Session) -> PhotoStock:
    kept = session.get(StockRow, _PHOTOS)
    before = PhotoStock(**kept.counts) if kept else PhotoStock()
    photos, size, last_photo = session.execute(
        select(func.count(), func.coalesce(func.sum(PhotoRow.size_bytes), 0), func.max(PhotoRow.id)).where(
            PhotoRow.id > before.last_photo_id
        )
    ).one()
    sources = dict(before.sources)
    last_sighting = before.last_sighting_id
    for source, count, last in session.execute(
        select(SightingRow.source, func.count(), func.max(SightingRow.id))
        .where(SightingRow.id > before.last_sighting_id)
        .group_by(SightingRow.source)
    ):
        sources[source] = sources.get(source, 0) + count
        last_sighting = max(last_sighting, last)
    return PhotoStock(
        last_photo or before.last_photo_id,
        last_sighting,
        before.photos + photos,
        before.size_bytes + size,
        sum(sources.values()),
        sources,
    )


def opinion_stock(session: Session) -> OpinionStock:
    kept = session.get(StockRow, _OPINIONS)
    return OpinionStock(**kept.counts) if kept else _counted_opinions(session)


def take_stock(session: Session) -> None:
    """Keeps the counts as they are now."""
    _keep(session, _PHOTOS, asdict(photo_stock(session)))
    if session.get(StockRow, _OPINIONS) is None:
        _keep(session, _OPINIONS, asdict(_counted_opinions(session)))


def opinions_changed(session: Session) -> None:
    """Labels, verdicts or groups are about to be others."""
    session.execute(delete(StockRow).where(StockRow.name == _OPINIONS))


def photos_removed(session: Session) -> None:
    """Photos are about to go: ids may come again."""
    session.execute(delete(StockRow))


def _counted_opinions(session: Session) -> OpinionStock:
    kept = func.sum(case((is_dropped(PhotoRow.id), 0), else_=1))
    brands = (
        select(LabelRow.value, func.count(), kept)
        .select_from(PhotoRow)
        .outerjoin(LabelRow, (LabelRow.photo_id == PhotoRow.id) & (LabelRow.kind == "brand") & counted_label(LabelRow))
        .group_by(LabelRow.value)
        .order_by(LabelRow.value)
    )
    with_verdict = select(VerdictRow.photo_id).where(~VerdictRow.keep).distinct().subquery()
    dropped = select(func.count()).select_from(with_verdict).where(is_dropped(with_verdict.c.photo_id))
    count = func.count(VerdictRow.photo_id.distinct())
    by_reason = select(VerdictRow.reason, count).group_by(VerdictRow.reason)
    drops = by_reason.where(~VerdictRow.keep, is_dropped(VerdictRow.photo_id))
    return OpinionStock(
        photos=session.execute(select(func.count()).select_from(PhotoRow)).scalar() or 0,
        dropped=session.execute(dropped).scalar() or 0,
        brands=[list(row) for row in session.execute(brands)],
        drops=counts(session, drops),
        flags=counts(session, by_reason.where(VerdictRow.keep)),
        groups=counts(session, select(MemberRow.relation, func.count()).group_by(MemberRow.relation)),
    )


def counts(session: Session, query: Select[str, int]) -> dict[str, int]:
    """The rows of a counting query, the most first."""
    return dict(sorted(session.execute(query).all(), key=lambda row: (-row[1], row[0])))


def _keep(session: Session, name: str, values: dict[str, Any]) -> None:
    row = insert(StockRow).values(name=name, counts=values)
    session.execute(row.on_conflict_do_update(index_elements=["name"], set_={"counts": values}))
