"""The tables, as typed models. A change here needs a migration beside it."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, MetaData, String, TypeDecorator, UniqueConstraint
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; naive in the database, aware in Python."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Hash64(TypeDecorator[int]):
    """An unsigned 64-bit hash in a signed column."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else value - (1 << 64) if value >= 1 << 63 else value

    def process_result_value(self, value: int | None, dialect: Dialect) -> int | None:
        return None if value is None else value & ((1 << 64) - 1)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=_NAMES)
    type_annotation_map = {datetime: Utc, dict[str, Any]: JSON}  # noqa: RUF012


class RunRow(Base):
    """One command: what it was asked, with which version and seed, what came of it."""

    __tablename__ = "runs"
    id: Mapped[int] = mapped_column(primary_key=True)
    command: Mapped[str]
    arguments: Mapped[dict[str, Any]]
    version: Mapped[str]
    seed: Mapped[int] = mapped_column(BigInteger)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    status: Mapped[str]  # running, done, interrupted, failed
    counts: Mapped[dict[str, Any]]


class PhotoRow(Base):
    __tablename__ = "photos"
    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    ext: Mapped[str]
    format: Mapped[str]
    size_bytes: Mapped[int]
    width_px: Mapped[int]
    height_px: Mapped[int]
    exif_orientation: Mapped[int]
    frames: Mapped[int]
    phash: Mapped[int] = mapped_column(Hash64)
    phash_mirrored: Mapped[int] = mapped_column(Hash64)
    phash_flipped: Mapped[int] = mapped_column(Hash64)
    phash_rotated: Mapped[int] = mapped_column(Hash64)
    detail_hash: Mapped[bytes]
    chroma: Mapped[bytes]
    brightness: Mapped[float]
    contrast: Mapped[float]
    blur_var: Mapped[float]
    mode: Mapped[str] = mapped_column(server_default="")
    entropy_bits: Mapped[float] = mapped_column(server_default="8")
    colour: Mapped[float] = mapped_column(server_default="128")
    border: Mapped[float] = mapped_column(server_default="0")
    taken_at: Mapped[str] = mapped_column(server_default="")
    added_at: Mapped[datetime]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))


class SightingRow(Base):
    __tablename__ = "sightings"
    __table_args__ = (
        UniqueConstraint("source", "url", "version", "query"),
        Index("ix_sightings_photo_id", "photo_id"),
        Index("ix_sightings_brand_asked", "brand_asked", "photo_id"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    source: Mapped[str]
    url: Mapped[str]
    version: Mapped[str]
    query: Mapped[str]
    brand_asked: Mapped[str | None]
    view_asked: Mapped[str | None]
    title: Mapped[str]
    alt: Mapped[str]
    author: Mapped[str]
    author_url: Mapped[str]
    license: Mapped[str]
    license_url: Mapped[str]
    page_url: Mapped[str]
    folder: Mapped[str]
    file_name: Mapped[str]
    taken_at: Mapped[str] = mapped_column(server_default="")
    annotation: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))  # see records.Annotation
    seen_at: Mapped[datetime]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))


class FailureRow(Base):
    __tablename__ = "failures"
    __table_args__ = (
        UniqueConstraint("source", "url", "version"),
        Index("ix_failures_reason", "reason", "retryable"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str]
    url: Mapped[str]
    version: Mapped[str]
    query: Mapped[str]
    brand_asked: Mapped[str | None]
    reason: Mapped[str]
    detail: Mapped[str]
    retryable: Mapped[bool]
    attempts: Mapped[int]
    failed_at: Mapped[datetime]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))


class StockRow(Base):
    """Counts that are kept, see catalog/stock.py."""

    __tablename__ = "stock"
    name: Mapped[str] = mapped_column(primary_key=True)
    counts: Mapped[dict[str, Any]]


class StageMarkRow(Base):
    """How far a stage has looked, with which version and settings."""

    __tablename__ = "stage_marks"
    stage: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    last_sighting_id: Mapped[int]
    changes: Mapped[int]  # how many times it said something new
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))


class LabelRow(Base):
    __tablename__ = "labels"
    __table_args__ = (
        UniqueConstraint("photo_id", "kind", "value", "stage"),
        Index("ix_labels_kind_value", "kind", "value"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    kind: Mapped[str]
    value: Mapped[str]
    stage: Mapped[str]
    method: Mapped[str]
    confidence: Mapped[float]
    evidence: Mapped[dict[str, Any]]


class VerdictRow(Base):
    __tablename__ = "verdicts"
    __table_args__ = (UniqueConstraint("photo_id", "stage", "reason"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    stage: Mapped[str]
    keep: Mapped[bool]
    reason: Mapped[str]
    evidence: Mapped[dict[str, Any]]


class GroupRow(Base):
    """Photos of one shot."""

    __tablename__ = "groups"
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    stage: Mapped[str]


class MemberRow(Base):
    __tablename__ = "group_members"
    __table_args__ = (Index("ix_group_members_group_id", "group_id"),)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"))
    relation: Mapped[str]
    of_photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"))
    evidence: Mapped[dict[str, Any]]


class TieRow(Base):
    """Two photos that look alike, see records.Tie."""

    __tablename__ = "ties"
    __table_args__ = (Index("ix_ties_other_id", "other_id"),)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    other_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    stage: Mapped[str] = mapped_column(primary_key=True)
    transform: Mapped[str]
    chroma: Mapped[float]
    distance_bits: Mapped[int | None]
    detail_bits: Mapped[int | None]
    inliers: Mapped[int | None]
    inlier_share: Mapped[float | None]
    light: Mapped[float | None]


class TouchedRow(Base):
    """Photos of which something is said or known that groups have not heeded yet."""

    __tablename__ = "touched"
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)


class SplitRow(Base):
    __tablename__ = "splits"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    plan: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(server_default="")  # of its folder's content, see splits/describe.py
    created_at: Mapped[datetime]
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"))


class PlacementRow(Base):
    __tablename__ = "placements"
    __table_args__ = (UniqueConstraint("split_id", "file_name"), Index("ix_placements_photo_id", "photo_id"))
    split_id: Mapped[int] = mapped_column(ForeignKey("splits.id", ondelete="CASCADE"), primary_key=True)
    photo_id: Mapped[int] = mapped_column(ForeignKey("photos.id", ondelete="CASCADE"), primary_key=True)
    part: Mapped[str]
    class_name: Mapped[str]
    file_name: Mapped[str]
    group_key: Mapped[str]
