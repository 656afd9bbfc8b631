"""What harvest writes and asks: photos, sightings, failures, and which URLs are known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, bindparam, delete, func, select, tuple_
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.orm import Session

from carharvest.catalog.rows import photo_values, sighting_values
from carharvest.catalog.schema import FailureRow, PhotoRow, SightingRow
from carharvest.catalog.store import Catalog
from carharvest.records import Candidate, Failed, Fetched, Outcome, Repeat


def _asked_for(row: type[SightingRow] | type[FailureRow]) -> ColumnElement[bool]:
    """Rows of the (source, URL, version) in the parameter `keys`, a JSON array: one statement for any number."""
    key = func.json_each(bindparam("keys")).table_valued("value", name="key")
    wanted = [func.json_extract(key.c.value, f"$[{place}]") for place in range(3)]
    return tuple_(row.source, row.url, row.version).in_(select(*wanted).select_from(key))


_SEEN = select(SightingRow.source, SightingRow.url, SightingRow.version, SightingRow.query, SightingRow.photo_id).where(
    _asked_for(SightingRow)
)
_HOPELESS = select(FailureRow.source, FailureRow.url, FailureRow.version).where(
    _asked_for(FailureRow), ~FailureRow.retryable
)


@dataclass(frozen=True, slots=True)
class Known:
    """What the catalog knows of some candidates' URLs."""

    photo_ids: dict[tuple[str, str, str], int] = field(default_factory=dict)  # (source, url, version) -> photo
    sighted: set[tuple[str, str, str, str]] = field(default_factory=set)  # the same with the query
    hopeless: set[tuple[str, str, str]] = field(default_factory=set)  # failures that no retry mends


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch brought."""

    new: int = 0  # photos that were not in the catalog
    known: int = 0  # more sightings of photos that were
    failed: int = 0


def known_urls(catalog: Catalog, candidates: Sequence[Candidate]) -> Known:
    """Which of the candidates were fetched before, or failed for good."""
    known = Known()
    asked = {"keys": json.dumps([(c.source, c.url, c.version) for c in candidates])}
    with catalog.reading() as session:
        for source, url, version, query, photo_id in session.execute(_SEEN, asked):
            known.photo_ids[source, url, version] = photo_id
            known.sighted.add((source, url, version, query))
        known.hopeless.update((source, url, version) for source, url, version in session.execute(_HOPELESS, asked))
    return known


def photos_asked_for(catalog: Catalog, brand: str) -> int:
    """Photos that came from asking for the brand."""
    with catalog.reading() as session:
        query = select(func.count(SightingRow.photo_id.distinct())).where(SightingRow.brand_asked == brand)
        return session.execute(query).scalar() or 0


def record(catalog: Catalog, outcomes: Sequence[Outcome], run_id: int) -> Recorded:
    """Writes a batch in one transaction: photos once, their sightings, the failures."""
    if not outcomes:
        return Recorded()
    now = datetime.now(UTC)
    fetched = [o for o in outcomes if isinstance(o, Fetched)]
    repeats = [o for o in outcomes if isinstance(o, Repeat)]
    failed = [o for o in outcomes if isinstance(o, Failed)]
    with catalog.writing() as session:
        before = _photo_ids(session, fetched)
        photos = {f.sha256: photo_values(f, now, run_id) for f in fetched if f.sha256 not in before}
        if photos:
            session.execute(insert(PhotoRow).on_conflict_do_nothing(), list(photos.values()))
        ids = _photo_ids(session, fetched)
        sighted = [(f.candidate, ids[f.sha256]) for f in fetched] + [(r.candidate, r.photo_id) for r in repeats]
        if sighted:
            sightings = [sighting_values(candidate, photo_id, now, run_id) for candidate, photo_id in sighted]
            session.execute(insert(SightingRow).on_conflict_do_nothing(), sightings)
            mended = [(c.source, c.url, c.version) for c, _ in sighted]
            session.execute(
                delete(FailureRow).where(tuple_(FailureRow.source, FailureRow.url, FailureRow.version).in_(mended))
            )
        for failure in failed:
            _fail(session, failure, now, run_id)
    return Recorded(new=len(photos), known=len(sighted) - len(photos), failed=len(failed))


def _photo_ids(session: Session, fetched: Sequence[Fetched]) -> dict[str, int]:
    query = select(PhotoRow.sha256, PhotoRow.id).where(PhotoRow.sha256.in_([f.sha256 for f in fetched]))
    return dict(session.execute(query).all())


def _fail(session: Session, failed: Failed, now: datetime, run_id: int) -> None:
    candidate = failed.candidate
    again = {"reason": failed.reason, "detail": failed.detail, "retryable": failed.retryable, "failed_at": now}
    row = insert(FailureRow).values(
        source=candidate.source,
        url=candidate.url,
        version=candidate.version,
        query=candidate.query,
        brand_asked=candidate.brand_asked,
        attempts=1,
        run_id=run_id,
        **again,
    )
    session.execute(
        row.on_conflict_do_update(
            index_elements=["source", "url", "version"],
            set_={**again, "attempts": FailureRow.attempts + 1, "run_id": run_id},
        )
    )
