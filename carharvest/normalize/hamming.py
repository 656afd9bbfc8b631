"""Exact search for near pairs of 64-bit hashes."""

from collections.abc import Iterator
from itertools import combinations, pairwise

import numpy as np

HASH_BITS = 64
MAX_RADIUS = 12  # beyond, the bands get so narrow that nearly every pair becomes a candidate
_SLICE = 4_000_000  # candidate pairs compared at a time


def near_pairs(left: np.ndarray, right: np.ndarray, radius: int) -> np.ndarray:
    """All pairs (i, j) with Hamming distance(left[i], right[j]) <= radius, exactly.

    left, right: (n,) and (m,) uint64. Returns (k, 3) int64 rows (i, j, distance), each pair once, sorted.
    By the pigeonhole principle (Norouzi et al. 2012, multi-index hashing): of radius + 2 bands, a pair within the
    radius agrees on at least two, so only pairs that share a pair of bands are compared.
    Raises ValueError for a radius outside 0 to 12.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"the radius has to be 0 to {MAX_RADIUS}, not {radius}")
    found = []
    for mask in _masks(radius):
        for i, j in _sharing(left & mask, right & mask):
            distance = np.bitwise_count(left[i] ^ right[j])
            near = distance <= radius
            found.append(np.stack([i[near], j[near], distance[near].astype(np.int64)], axis=1))
    if not found:
        return np.empty((0, 3), dtype=np.int64)
    return np.unique(np.concatenate(found), axis=0)


def _masks(radius: int) -> list[np.uint64]:
    edges = np.linspace(0, HASH_BITS, radius + 3).astype(int)
    bands = [((1 << int(end)) - 1) ^ ((1 << int(start)) - 1) for start, end in pairwise(edges)]
    return [np.uint64(a | b) for a, b in combinations(bands, 2)]


def _sharing(left: np.ndarray, right: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Index pairs with equal values, a slice at a time."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    first = np.searchsorted(ordered, left, side="left")
    counts = np.searchsorted(ordered, left, side="right") - first
    ends = np.cumsum(counts)
    start = 0
    while start < len(left):
        before = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, before + _SLICE, side="right")))
        sizes = counts[start:stop]
        i = np.repeat(np.arange(start, stop), sizes)
        offset = np.arange(len(i)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        yield i, order[np.repeat(first[start:stop], sizes) + offset]
        start = stop
