"""Exact search for near pairs of 64-bit hashes."""

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np

HASH_BITS = 64
MAX_RADIUS = 12  # beyond, the bands get so narrow that nearly every pair becomes a candidate
_SLICE = 1 << 18  # candidate pairs compared at a time: what they need stays in the cache


def near_pairs(left: np.ndarray, right: np.ndarray | None, radius: int) -> np.ndarray:
    """All pairs (i, j) with Hamming distance(left[i], right[j]) <= radius, exactly.

    left, right: (n,) and (m,) uint64; without `right`, left with itself, i < j. Returns (k, 3) int64 rows
    (i, j, distance), each pair once, sorted.

    By the pigeonhole principle (Norouzi et al. 2012, multi-index hashing): of radius + s bands, a pair within the
    radius agrees on at least s, so only pairs that agree on some s bands are compared. A pair is reported
    by the first s bands that it agrees on, so none is found twice.
    Raises ValueError for a radius outside 0 to 12.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"the radius has to be 0 to {MAX_RADIUS}, not {radius}")
    found = [np.empty((0, 3), dtype=np.int64)]
    bands, agreeing = _bands(radius, len(left) if right is None else max(len(left), len(right)))
    left_parts, right_parts = _parts(left, bands), None if right is None else _parts(right, bands)
    for chosen in combinations(range(len(bands)), agreeing):
        earlier = [bands[b] for b in range(chosen[-1]) if b not in chosen]
        widths = [bands[b][1] for b in chosen]
        keys = _keys([left_parts[b] for b in chosen], widths)
        if right is None or right_parts is None:
            pairs = _own_pairs(left, keys, radius)
        else:
            right_keys = _keys([right_parts[b] for b in chosen], widths)
            pairs = _cross_pairs(left, right, keys, right_keys, sum(widths), radius)
        for i, j, differing in pairs:
            first = np.ones(len(i), dtype=bool)
            for start, width in earlier:
                first &= (differing >> np.uint64(start)) & np.uint64((1 << width) - 1) != 0
            distance = np.bitwise_count(differing)
            found.append(np.stack([i[first], j[first], distance[first]], axis=1).astype(np.int64))
    pairs_found = np.concatenate(found)
    if right is None:
        pairs_found[:, :2].sort(axis=1)
    return pairs_found[np.lexsort((pairs_found[:, 1], pairs_found[:, 0]))]


def _bands(radius: int, count: int) -> tuple[list[tuple[int, int]], int]:
    """(start, width) of each band, and how many of them a near pair agrees on.

    Two, if their keys are wide enough to leave few candidates a hash; three, if there are so many hashes that they
    are not.
    """
    agreeing = 2
    while agreeing < 3 and count >> (HASH_BITS * agreeing // (radius + agreeing)) > 32:
        agreeing += 1
    edges = np.linspace(0, HASH_BITS, radius + agreeing + 1).astype(int).tolist()
    return [(a, b - a) for a, b in pairwise(edges)], agreeing


def _parts(hashes: np.ndarray, bands: list[tuple[int, int]]) -> list[np.ndarray]:
    """The bits of each band, in the narrowest type."""
    return [
        ((hashes >> np.uint64(start)) & np.uint64((1 << width) - 1)).astype(_type_of(width)) for start, width in bands
    ]


def _keys(parts: list[np.ndarray], widths: list[int]) -> np.ndarray:
    """Bands side by side, in the narrowest type: 16 bits sort several times faster."""
    kind = _type_of(sum(widths))
    key = parts[0].astype(kind)
    for part, width in zip(parts[1:], widths[1:], strict=True):
        key <<= kind(width)
        key |= part
    return key


def _type_of(bits: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if bits <= 16 else np.uint32 if bits <= 32 else np.uint64


def _ordered(keys: np.ndarray) -> np.ndarray:
    """Positions in order of the keys, (n,) int."""
    if keys.dtype == np.uint32:  # sorting key and position as one number is several times faster than argsort
        packed = (keys.astype(np.uint64) << np.uint64(32)) | np.arange(len(keys), dtype=np.uint64)
        packed.sort()
        return (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return np.argsort(keys, kind="stable")


def _own_pairs(
    hashes: np.ndarray, keys: np.ndarray, radius: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Near pairs of positions whose keys are equal, and the bits in which their hashes differ."""
    order = _ordered(keys)
    keys, ordered = keys[order], hashes[order]
    # How many of the following have the same key: for each run of equal keys ... 2, 1, 0.
    ends = np.flatnonzero(np.append(keys[1:] != keys[:-1], True))
    ahead = np.repeat(ends, np.diff(ends, prepend=-1)) - np.arange(len(keys))
    with_ahead = len(keys) - np.cumsum(np.bincount(ahead))  # how many have more than 0, 1, 2, … ahead
    step = 1
    while (
        step <= len(with_ahead) and with_ahead[step - 1] > len(keys) // 8
    ):  # neighbours of all: reading in a row beats picking
        for start in range(0, len(keys) - step, _SLICE):
            stop = min(start + _SLICE, len(keys) - step)
            i, differing = _near(ordered[start:stop], ordered[start + step : stop + step], radius)
            i += start
            with_key = ahead[i] >= step
            i = i[with_key]
            yield order[i], order[i + step], differing[with_key]
        step += 1
    active = np.flatnonzero(ahead >= step)
    while len(active):
        for start in range(0, len(active), _SLICE):
            i = active[start : start + _SLICE]
            found, differing = _near(ordered[i], ordered[i + step], radius)
            yield order[i[found]], order[i[found] + step], differing
        step += 1
        active = active[ahead[active] >= step]


def _near(left: np.ndarray, right: np.ndarray, radius: int) -> tuple[np.ndarray, np.ndarray]:
    """Where two arrays of hashes lie within the radius side by side, and the bits in which they differ there."""
    differing = left ^ right
    at = np.flatnonzero(np.bitwise_count(differing) <= radius)
    return at, differing[at]


def _cross_pairs(
    left: np.ndarray,
    right: np.ndarray,
    left_keys: np.ndarray,
    right_keys: np.ndarray,
    bits: int,
    radius: int,
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The same between two arrays; only what has a partner is sorted, so a few against a million cost little."""
    left_at, right_at = np.arange(len(left)), np.arange(len(right))
    if bits <= 24:
        at_left = np.zeros(1 << bits, dtype=bool)
        at_left[left_keys] = True
        right_at = np.flatnonzero(at_left[right_keys])
        right_keys = right_keys[right_at]
        at_right = np.zeros(1 << bits, dtype=bool)
        at_right[right_keys] = True
        left_at = np.flatnonzero(at_right[left_keys])
        left_keys = left_keys[left_at]
    order, other = _ordered(left_keys), _ordered(right_keys)
    left_at, left_keys = left_at[order], left_keys[order]
    right_at, right_keys = right_at[other], right_keys[other]
    first = np.searchsorted(right_keys, left_keys, side="left")
    count = np.searchsorted(right_keys, left_keys, side="right") - first
    ordered_left, ordered_right = left[left_at], right[right_at]
    active = np.flatnonzero(count)
    step = 0
    while len(active):
        for start in range(0, len(active), _SLICE):
            i = active[start : start + _SLICE]
            found, differing = _near(ordered_left[i], ordered_right[first[i] + step], radius)
            yield left_at[i[found]], right_at[first[i[found]] + step], differing
        step += 1
        active = active[count[active] > step]
