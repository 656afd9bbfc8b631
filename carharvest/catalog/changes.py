"""What a run of the stages changed, or would change: by stage, brand and reason."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from carharvest.catalog.placements import counted_label, is_dropped
from carharvest.catalog.schema import LabelRow, PhotoRow, VerdictRow
from carharvest.catalog.store import Catalog


@dataclass(frozen=True, slots=True)
class Change:
    """Photos of a brand of which a stage says something new, or no longer says it."""

    stage: str
    reason: str
    brand: str  # empty where no brand is known
    newly: int
    no_longer: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What is said of all photos: a row for each verdict and brand, and who is dropped."""

    said: frozenset[tuple[int, str, str]]  # photo, stage, reason or label
    dropped: frozenset[int]


def snapshot(catalog: Catalog) -> Snapshot:
    """A few hundred bytes for each verdict."""
    with catalog.reading() as session:
        said = {
            (id_, stage, reason)
            for id_, stage, reason in session.execute(select(VerdictRow.photo_id, VerdictRow.stage, VerdictRow.reason))
        }
        labels = select(LabelRow.photo_id, LabelRow.stage, LabelRow.kind, LabelRow.value)
        for id_, stage, kind, value in session.execute(labels.where(LabelRow.kind.in_(("brand", "view")))):
            said.add((id_, stage, f"{kind} {value}"))
        dropped = set(session.scalars(select(PhotoRow.id).where(is_dropped(PhotoRow.id))))
    return Snapshot(frozenset(said), frozenset(dropped))


def changes(before: Snapshot, after: Snapshot, brand_of: Mapping[int, str]) -> list[Change]:
    """What differs, in order of stage, reason and brand."""
    counts: dict[tuple[str, str, str], list[int]] = {}
    for column, rows in enumerate((after.said - before.said, before.said - after.said)):
        for photo_id, stage, reason in rows:
            counts.setdefault((stage, reason, brand_of.get(photo_id, "")), [0, 0])[column] += 1
    return [Change(*key, *found) for key, found in sorted(counts.items())]


def brands_of(catalog: Catalog) -> dict[int, str]:
    """The brand of each photo that has one; of a conflict, all of them."""
    brand = aliased(LabelRow)
    query = (
        select(brand.photo_id, func.group_concat(brand.value, " / "))
        .where(brand.kind == "brand", counted_label(brand))
        .group_by(brand.photo_id)
    )
    with catalog.reading() as session:
        return dict(session.execute(query).all())
