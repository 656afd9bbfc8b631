"""Which photos belong together, beyond what looks alike: those of one page, those a photographer took in a row."""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

from carharvest.records import Grouping, KeptPhoto


def grouped(photos: Sequence[KeptPhoto], by: Collection[Grouping], within: timedelta) -> list[KeptPhoto]:
    """The same photos; those that belong together, directly or through others, with the same `group_key`.

    `photographer`: taken by one author within that time of each other; where nobody says when, all of the author's
    photos of one brand.
    """
    if not by:
        return list(photos)
    from scipy.sparse import coo_array  # slow to import, and most splits do without
    from scipy.sparse.csgraph import connected_components

    pairs = list(_chained(photo.group_key for photo in photos))
    if "page" in by:
        pairs += _chained((photo.source, photo.page_url) if photo.page_url else None for photo in photos)
    if "photographer" in by:
        pairs += _chained((p.source, p.author, p.brand) if p.author and not p.taken_at else None for p in photos)
        pairs += _bursts(photos, within)
    first, second = zip(*pairs, strict=True) if pairs else ((), ())
    graph = coo_array(([True] * len(pairs), (first, second)), shape=(len(photos), len(photos)))
    _, component = connected_components(graph, directed=False)
    key_of: dict[int, str] = {}
    for photo, number in zip(photos, component.tolist(), strict=True):
        key_of[number] = min(key_of.get(number, photo.group_key), photo.group_key)
    return [
        photo if key_of[number] == photo.group_key else replace(photo, group_key=key_of[number])
        for photo, number in zip(photos, component.tolist(), strict=True)
    ]


def _chained(keys: Iterable[Hashable]) -> Iterator[tuple[int, int]]:
    """Pairs of positions that tie together all that have the same key; None has none."""
    last: dict[Hashable, int] = {}
    for position, key in enumerate(keys):
        if key is None:
            continue
        if key in last:
            yield last[key], position
        last[key] = position


def _bursts(photos: Sequence[KeptPhoto], within: timedelta) -> Iterator[tuple[int, int]]:
    taken: dict[tuple[str, str], list[tuple[datetime, int]]] = defaultdict(list)
    for position, photo in enumerate(photos):
        if photo.author and photo.taken_at:
            taken[photo.source, photo.author].append((datetime.fromisoformat(photo.taken_at), position))
    for moments in taken.values():
        for (earlier, one), (later, other) in pairwise(sorted(moments)):
            if later - earlier <= within:
                yield one, other
