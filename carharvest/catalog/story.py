"""What status, why, verify and clean read: counts, and everything known of one photo."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, func, or_, select
from sqlalchemy.orm import Session

from carharvest.catalog.rows import fingerprint_of, sighting_of
from carharvest.catalog.schema import (
    FailureRow,
    LabelRow,
    MemberRow,
    PhotoRow,
    PlacementRow,
    RunRow,
    SightingRow,
    SplitRow,
    StageMarkRow,
    VerdictRow,
)
from carharvest.catalog.stock import OpinionStock, counts, opinion_stock, photo_stock, photos_removed
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import drop_groups_of
from carharvest.records import ABOUT_BRAND, PERSON, Fingerprint, Sighting


@dataclass(frozen=True, slots=True)
class BrandCount:
    """How a brand stands. `brand` is None for photos without a brand; a conflict counts for each brand it names."""

    brand: str | None
    photos: int
    kept: int


@dataclass(frozen=True, slots=True)
class Status:
    """The workspace at a glance."""

    photos: int
    sightings: int
    size_bytes: int
    kept: int | None  # None before the first normalize
    new_since_normalize: int
    brands: tuple[BrandCount, ...]
    drops: Mapping[str, int]  # reason -> photos
    flags: Mapping[str, int]  # reason -> photos that are kept all the same
    groups: Mapping[str, int]  # relation -> photos
    failures: Mapping[str, int]  # reason -> candidates
    retryable: int
    sources: Mapping[str, int]  # source -> sightings
    splits: tuple[str, ...]
    last_runs: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class LabelStory:
    kind: str
    value: str
    stage: str
    method: str
    confidence: float
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VerdictStory:
    stage: str
    keep: bool
    reason: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class MemberStory:
    """Another photo of the same group; `name` is what `why` takes."""

    sha256: str
    name: str
    relation: str
    of_sha256: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PlacementStory:
    split: str
    part: str
    class_name: str
    file_name: str


@dataclass(frozen=True, slots=True)
class PhotoStory:
    """Everything known of one photo."""

    sha256: str
    size_bytes: int
    added_at: str
    fingerprint: Fingerprint
    sightings: tuple[Sighting, ...]
    labels: tuple[LabelStory, ...]
    verdicts: tuple[VerdictStory, ...]
    group: tuple[MemberStory, ...]
    placements: tuple[PlacementStory, ...]

    @property
    def kept(self) -> bool:
        """A person's word, or else that no stage drops it; what is settled by a person's brand does not count."""
        words = [verdict.keep for verdict in self.verdicts if verdict.stage == PERSON]
        if words:
            return words[0]
        is_named = any(label.stage == PERSON and label.kind == "brand" for label in self.labels)
        return all(v.keep or (is_named and v.reason in ABOUT_BRAND) for v in self.verdicts)


def status(catalog: Catalog) -> Status:
    with catalog.reading() as session:
        stock, opinions = photo_stock(session), opinion_stock(session)
        looked = session.execute(select(func.min(StageMarkRow.last_sighting_id))).scalar()
        fresh = select(func.count(SightingRow.photo_id.distinct())).where(SightingRow.id > (looked or 0))
        runs = select(RunRow).order_by(RunRow.id.desc()).limit(5)
        return Status(
            photos=stock.photos,
            sightings=stock.sightings,
            size_bytes=stock.size_bytes,
            kept=None if looked is None else stock.photos - opinions.dropped,
            new_since_normalize=stock.photos if looked is None else _number(session, fresh),
            brands=_brand_counts(opinions, stock.photos),
            drops=_most_first(opinions.drops),
            flags=_most_first(opinions.flags),
            groups=_most_first(opinions.groups),
            failures=counts(session, select(FailureRow.reason, func.count()).group_by(FailureRow.reason)),
            retryable=_number(session, select(func.count()).select_from(FailureRow).where(FailureRow.retryable)),
            sources=_most_first(stock.sources),
            splits=tuple(session.scalars(select(SplitRow.name).order_by(SplitRow.id))),
            last_runs=tuple(
                {
                    "command": run.command,
                    "started_at": run.started_at.isoformat(timespec="seconds"),
                    "status": run.status,
                    "counts": run.counts,
                }
                for run in session.scalars(runs)
            ),
        )


def brand_counts(catalog: Catalog) -> tuple[BrandCount, ...]:
    with catalog.reading() as session:
        return _brand_counts(opinion_stock(session), photo_stock(session).photos)


def find_photo_ids(catalog: Catalog, what: str) -> list[int]:
    """Photos that `what` may mean: (part of) a sha256, a random name, a URL, a file name; the surest first."""
    stem = what.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    tries: list[Select[int]] = []
    if len(what) >= 6 and all(c in "0123456789abcdef" for c in what):
        tries.append(select(PhotoRow.id).where(PhotoRow.sha256.startswith(what, autoescape=True)))
    tries += [
        select(LabelRow.photo_id).where(LabelRow.kind == "file_name", LabelRow.value == stem),
        select(SightingRow.photo_id).where(or_(SightingRow.url == what, SightingRow.page_url == what)),
        select(SightingRow.photo_id).where(SightingRow.file_name == what.rsplit("/", 1)[-1]),
    ]
    with catalog.reading() as session:
        for query in tries:
            ids = sorted(set(session.scalars(query)))
            if ids:
                return ids
    return []


def photo_story(catalog: Catalog, photo_id: int) -> PhotoStory:
    with catalog.reading() as session:
        row = session.get_one(PhotoRow, photo_id)
        labels = select(LabelRow).where(LabelRow.photo_id == photo_id).order_by(LabelRow.kind, LabelRow.id)
        verdicts = select(VerdictRow).where(VerdictRow.photo_id == photo_id).order_by(VerdictRow.id)
        sightings = select(SightingRow).where(SightingRow.photo_id == photo_id).order_by(SightingRow.id)
        placements = (
            select(SplitRow.name, PlacementRow.part, PlacementRow.class_name, PlacementRow.file_name)
            .join(SplitRow, SplitRow.id == PlacementRow.split_id)
            .where(PlacementRow.photo_id == photo_id)
        )
        return PhotoStory(
            sha256=row.sha256,
            size_bytes=row.size_bytes,
            added_at=row.added_at.isoformat(timespec="seconds"),
            fingerprint=fingerprint_of(row),
            sightings=tuple(sighting_of(s) for s in session.scalars(sightings)),
            labels=tuple(
                LabelStory(x.kind, x.value, x.stage, x.method, x.confidence, x.evidence)
                for x in session.scalars(labels)
            ),
            verdicts=tuple(VerdictStory(v.stage, v.keep, v.reason, v.evidence) for v in session.scalars(verdicts)),
            group=_group_of(session, photo_id),
            placements=tuple(PlacementStory(*placement) for placement in session.execute(placements)),
        )


def blob_names(catalog: Catalog) -> Iterator[tuple[int, str, str]]:
    """(photo id, sha256, ext) of every photo."""
    with catalog.reading() as session:
        for row in session.execute(select(PhotoRow.id, PhotoRow.sha256, PhotoRow.ext).order_by(PhotoRow.id)):
            yield row[0], row[1], row[2]


def forget_photos(catalog: Catalog, photo_ids: Sequence[int]) -> None:
    """Takes out photos whose blob is lost, with their sightings, so that the next scrape fetches them again."""
    with catalog.writing() as session:
        photos_removed(session)
        for start in range(0, len(photo_ids), 1000):
            chunk = photo_ids[start : start + 1000]
            drop_groups_of(session, chunk)
            session.execute(delete(PhotoRow).where(PhotoRow.id.in_(chunk)))


def _group_of(session: Session, photo_id: int) -> tuple[MemberStory, ...]:
    group_id = session.execute(select(MemberRow.group_id).where(MemberRow.photo_id == photo_id)).scalar()
    if group_id is None:
        return ()
    hashes = select(PhotoRow.id, PhotoRow.sha256).join(MemberRow, MemberRow.photo_id == PhotoRow.id)
    sha_of = dict(session.execute(hashes.where(MemberRow.group_id == group_id)).all())
    named = select(LabelRow.photo_id, LabelRow.value).where(LabelRow.kind == "file_name", LabelRow.photo_id.in_(sha_of))
    names = dict(session.execute(named).all())
    rows = select(MemberRow).where(MemberRow.group_id == group_id).order_by(MemberRow.photo_id)
    return tuple(
        MemberStory(
            sha256=sha_of[m.photo_id],
            name=names.get(m.photo_id, sha_of[m.photo_id][:12]),
            relation=m.relation,
            of_sha256=sha_of[m.of_photo_id],
            evidence=m.evidence,
        )
        for m in session.scalars(rows)
    )


def _brand_counts(opinions: OpinionStock, photos: int) -> tuple[BrandCount, ...]:
    """Brand by brand; photos that came after the opinions have no brand yet."""
    later = photos - opinions.photos
    found = {brand: BrandCount(brand, count, kept) for brand, count, kept in opinions.brands}
    if later:
        without = found.get(None, BrandCount(None, 0, 0))
        found = {None: BrandCount(None, without.photos + later, without.kept + later), **_but_none(found)}
    return tuple(found.values())


def _but_none(found: Mapping[str | None, BrandCount]) -> dict[str | None, BrandCount]:
    return {brand: count for brand, count in found.items() if brand is not None}


def _most_first(found: Mapping[str, int]) -> dict[str, int]:
    """JSON keeps no order of its own."""
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _number(session: Session, query: Select[int]) -> int:
    return session.execute(query).scalar() or 0
