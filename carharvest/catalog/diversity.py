"""How varied the kept photos of each brand are: views, sources, sizes, and groups of the same shot."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import aliased

from carharvest.catalog.placements import counted_label, is_dropped
from carharvest.catalog.schema import LabelRow, MemberRow, PhotoRow, SightingRow
from carharvest.catalog.store import Catalog


@dataclass(frozen=True, slots=True)
class Diversity:
    """The kept photos of one brand."""

    brand: str
    photos: int
    shots: int  # photos of the same shot counted once
    largest_group: int
    views: Mapping[str, int]  # "" for photos without a view
    sources: Mapping[str, int]
    side_px: tuple[int, int, int]  # of the shorter side: least, median, most


def diversity(catalog: Catalog) -> list[Diversity]:
    """Brand by brand, the one with most photos first."""
    brand, seen_from = aliased(LabelRow), aliased(LabelRow)
    view = (
        select(func.min(seen_from.value))
        .where(seen_from.photo_id == PhotoRow.id, seen_from.kind == "view", counted_label(seen_from))
        .scalar_subquery()
    )
    source = (
        select(SightingRow.source)
        .where(SightingRow.photo_id == PhotoRow.id)
        .order_by(SightingRow.id)
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(brand.value, PhotoRow.width_px, PhotoRow.height_px, MemberRow.group_id, view, source)
        .select_from(PhotoRow)
        .join(brand, (brand.photo_id == PhotoRow.id) & (brand.kind == "brand") & counted_label(brand))
        .outerjoin(MemberRow, MemberRow.photo_id == PhotoRow.id)
        .where(~is_dropped(PhotoRow.id))
        .order_by(PhotoRow.id)
    )
    rows: dict[str, list[tuple[int, int | None, str, str]]] = {}
    with catalog.reading() as session:
        for key, width, height, group, seen, where in session.execute(query):
            rows.setdefault(key, []).append((min(width, height), group, seen or "", where or ""))
    found = [_of_brand(key, of_brand) for key, of_brand in rows.items()]
    return sorted(found, key=lambda d: (-d.photos, d.brand))


def _of_brand(brand: str, rows: list[tuple[int, int | None, str, str]]) -> Diversity:
    sides = sorted(row[0] for row in rows)
    groups = Counter(row[1] for row in rows if row[1] is not None)
    return Diversity(
        brand=brand,
        photos=len(rows),
        shots=len(rows) - sum(groups.values()) + len(groups),
        largest_group=max(groups.values(), default=1),
        views=dict(Counter(row[2] for row in rows).most_common()),
        sources=dict(Counter(row[3] for row in rows).most_common()),
        side_px=(sides[0], sides[len(sides) // 2], sides[-1]),
    )
