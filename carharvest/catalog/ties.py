"""Ties between photos that look alike, what they were found by, and which photos the groups have yet to heed."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Select, delete, insert, or_, select
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.orm import Session

from carharvest.catalog.schema import GroupRow, MemberRow, PhotoRow, TieRow, TouchedRow
from carharvest.catalog.store import Catalog
from carharvest.records import Opinion, Tie

_CHUNK = 1000
_PAIR = ("photo_id", "other_id")
_MEASURED = ("transform", "chroma", "distance_bits", "detail_bits", "inliers", "inlier_share", "light")


@dataclass(frozen=True, slots=True)
class Prints:
    """The hashes of many photos, one array each: (n,) ids and 64-bit hashes, (n, 32) bytes of detail and chroma."""

    ids: np.ndarray
    hashes: dict[str, np.ndarray]  # transform -> (n,) uint64
    details: np.ndarray
    chromas: np.ndarray


def straight_hashes(catalog: Catalog, least_contrast: float) -> tuple[np.ndarray, np.ndarray]:
    """(n,) ids and (n,) uint64 pHashes of all photos with enough contrast to be told apart; a million in a second."""
    query = select(PhotoRow.id, PhotoRow.phash).where(PhotoRow.contrast >= least_contrast).order_by(PhotoRow.id)
    with catalog.reading() as session:
        rows = _numbers(session, query)
    return rows[:, 0], rows[:, 1].astype(np.uint64)


def _numbers(session: Session, query: Select[int, int]) -> np.ndarray:
    """(n, 2) int64, straight from SQLite's driver: SQLAlchemy's rows would take ten times as long."""
    text = str(query.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
    cursor = session.connection().connection.cursor()
    try:
        cursor.execute(text)
        return np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    finally:
        cursor.close()


def all_hashes(catalog: Catalog) -> list[tuple[int, str]]:
    """(id, sha256) of all photos."""
    with catalog.reading() as session:
        return [(row[0], row[1]) for row in session.execute(select(PhotoRow.id, PhotoRow.sha256).order_by(PhotoRow.id))]


def prints_of(catalog: Catalog, ids: Sequence[int]) -> Prints:
    """The hashes of these photos, in their order."""
    names = {"none": "phash", "mirrored": "phash_mirrored", "flipped": "phash_flipped", "rotated": "phash_rotated"}
    columns = [PhotoRow.id, *(getattr(PhotoRow, name) for name in names.values())]
    found: dict[int, tuple[Any, ...]] = {}
    with catalog.reading() as session:
        for start in range(0, len(ids), _CHUNK):
            query = select(*columns, PhotoRow.detail_hash, PhotoRow.chroma)
            for row in session.execute(query.where(PhotoRow.id.in_(ids[start : start + _CHUNK]))):
                found[row[0]] = tuple(row)
    rows = [found[photo_id] for photo_id in ids]
    return Prints(
        ids=np.array(ids, dtype=np.int64),
        hashes={name: np.array([row[i] for row in rows], np.uint64) for i, name in enumerate(names, start=1)},
        details=_bytes([row[5] for row in rows]),
        chromas=_bytes([row[6] for row in rows]),
    )


def _bytes(rows: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(rows), dtype=np.uint8).reshape(len(rows), -1)


def replace_ties(session: Session, stage: str, ids: Sequence[int], ties: Sequence[Opinion]) -> set[int]:
    """Brings the ties that a stage finds for these photos up to date; the photos whose ties are others now."""
    wanted = {(t.photo_id, t.other_id): t for t in ties if isinstance(t, Tie)}
    outdated: dict[tuple[int, int], TieRow] = {}
    for start in range(0, len(ids), _CHUNK):
        chunk = ids[start : start + _CHUNK]
        for end in (TieRow.photo_id, TieRow.other_id):
            for row in session.scalars(select(TieRow).where(TieRow.stage == stage, end.in_(chunk))):
                outdated[row.photo_id, row.other_id] = row
    for pair, row in list(outdated.items()):
        tie = wanted.get(pair)
        if tie is not None and all(getattr(row, name) == getattr(tie, name) for name in _MEASURED):
            del outdated[pair], wanted[pair]
    for row in outdated.values():
        session.delete(row)
    session.flush()
    if wanted:
        names = (*_PAIR, *_MEASURED)
        session.execute(
            insert(TieRow), [{"stage": stage, **{n: getattr(t, n) for n in names}} for t in wanted.values()]
        )
    return {photo_id for pair in (*outdated, *wanted) for photo_id in pair}


def touch(session: Session, photo_ids: Iterable[int]) -> None:
    """Something else is said of these photos, or they are tied to others: their groups have to be looked at again."""
    rows = [{"photo_id": photo_id} for photo_id in photo_ids]
    if rows:
        session.execute(upsert(TouchedRow).on_conflict_do_nothing(), rows)


def tied_to_touched(catalog: Catalog, *, everything: bool = False) -> list[int]:
    """Photos that stand in a group, or are tied over any number of steps, with one that was touched, and these.

    Photos without any tie or group are left out. With `everything`, all that are tied or grouped.
    """
    with catalog.reading() as session:
        pairs = _numbers(session, select(TieRow.photo_id, TieRow.other_id))
        grouped = _numbers(session, select(MemberRow.photo_id, MemberRow.group_id))
        touched = set(session.scalars(select(TouchedRow.photo_id)))
    if not len(pairs) and not len(grouped):
        return []
    # A group counts as one more node, under a number that no photo has.
    links = np.concatenate([pairs, grouped * [1, -1]])
    nodes, places = np.unique(links, return_inverse=True)
    places = places.reshape(-1, 2)
    from scipy.sparse import coo_array  # a third of a second to import, and only normalize needs it
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(len(places), dtype=np.int8), (places[:, 0], places[:, 1])), shape=(len(nodes),) * 2)
    _, component = connected_components(graph, directed=False)
    if everything:
        return [int(node) for node in nodes if node > 0]
    hit = np.isin(nodes, np.fromiter(touched, dtype=np.int64, count=len(touched)))
    wanted = np.isin(component, np.unique(component[hit]))
    return [int(node) for node in nodes[wanted] if node > 0]


def heeded(session: Session) -> None:
    """Groups are up to date."""
    session.execute(delete(TouchedRow))


def ties_among(catalog: Catalog, photo_ids: Collection[int]) -> list[Tie]:
    """The ties between these photos, in order."""
    wanted = sorted(photo_ids)
    found = []
    with catalog.reading() as session:
        for start in range(0, len(wanted), _CHUNK):
            query = select(TieRow).where(TieRow.photo_id.in_(wanted[start : start + _CHUNK]))
            for row in session.scalars(query.order_by(TieRow.photo_id, TieRow.other_id, TieRow.stage)):
                found.append(Tie(**{name: getattr(row, name) for name in (*_PAIR, *_MEASURED)}))
    inside = set(wanted)
    return [tie for tie in found if tie.other_id in inside]


def drop_groups_of(session: Session, photo_ids: Sequence[int]) -> None:
    """Groups with these photos go; who is left in them is touched."""
    hit = or_(MemberRow.photo_id.in_(photo_ids), MemberRow.of_photo_id.in_(photo_ids))
    group_ids = list(session.scalars(select(MemberRow.group_id).where(hit).distinct()))
    left = session.scalars(select(MemberRow.photo_id).where(MemberRow.group_id.in_(group_ids)))
    touch(session, set(left) - set(photo_ids))
    session.execute(delete(GroupRow).where(GroupRow.id.in_(group_ids)))
