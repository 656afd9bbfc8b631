"""What a person says of a photo: keep, drop, or which brand it shows. It outranks every stage and survives reruns."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select

from carharvest.catalog.schema import LabelRow, VerdictRow
from carharvest.catalog.stock import opinions_changed
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import touch
from carharvest.records import PERSON, LabelKind

_REASON = "person"


def judge(catalog: Catalog, photo_ids: Sequence[int], *, keep: bool, note: str = "") -> None:
    """A person keeps or drops these photos; a former word on the same is replaced."""
    evidence = _evidence(note)
    rows = [
        {"photo_id": id_, "stage": PERSON, "keep": keep, "reason": _REASON, "evidence": evidence} for id_ in photo_ids
    ]
    with catalog.writing() as session:
        opinions_changed(session)
        touch(session, photo_ids)
        session.execute(delete(VerdictRow).where(VerdictRow.stage == PERSON, VerdictRow.photo_id.in_(photo_ids)))
        session.execute(insert(VerdictRow), rows)


def name(catalog: Catalog, photo_ids: Sequence[int], kind: LabelKind, value: str, *, note: str = "") -> None:
    """A person says what these photos show; stages' labels of that kind no longer count for them."""
    told = {"kind": kind, "value": value, "stage": PERSON, "method": PERSON, "confidence": 1.0}
    rows = [{"photo_id": id_, "evidence": _evidence(note), **told} for id_ in photo_ids]
    with catalog.writing() as session:
        opinions_changed(session)
        touch(session, photo_ids)
        mine = (LabelRow.stage == PERSON, LabelRow.kind == kind, LabelRow.photo_id.in_(photo_ids))
        session.execute(delete(LabelRow).where(*mine))
        session.execute(insert(LabelRow), rows)


def take_back(catalog: Catalog, photo_ids: Sequence[int]) -> int:
    """Forgets what a person said of these photos; returns how many words that were."""
    with catalog.writing() as session:
        opinions_changed(session)
        touch(session, photo_ids)
        gone = 0
        for table in (VerdictRow, LabelRow):
            rows = session.execute(
                delete(table).where(table.stage == PERSON, table.photo_id.in_(photo_ids)).returning(table.id)
            )
            gone += len(rows.all())
        return gone


def person_changes(catalog: Catalog) -> list[int | str]:
    """Counts and times that are others as soon as a person said or took back something."""
    with catalog.reading() as session:
        found: list[int | str] = []
        for table in (VerdictRow, LabelRow):
            latest = func.coalesce(func.max(table.evidence["at"].as_string()), "")
            found += list(session.execute(select(func.count(), latest).where(table.stage == PERSON)).one())
        return found


def _evidence(note: str) -> dict[str, str]:
    said = {"at": datetime.now(UTC).isoformat(timespec="milliseconds")}
    return said | {"note": note} if note else said
