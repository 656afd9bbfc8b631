"""Which of many pictures may share a scene: those that share rare visual words.

A word is 24 signs of a descriptor on fixed random directions (Charikar 2002); like descriptors share some of their
words by chance, unlike ones hardly ever. No training, so the words of a photo never change.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_BITS = 24
_TABLES = 6
_COMMON = 12  # a word of more features than this tells nothing
_BLOCK = 500  # photos whose words are looked up at a time
_LEAST_SCORE = 3.0
MADE_BY = {"bits": _BITS, "tables": _TABLES, "seed": 0}


def _directions() -> np.ndarray:
    """(128, tables x bits) without a common part: all entries of a descriptor are positive."""
    drawn = np.random.default_rng(0).standard_normal((128, _TABLES * _BITS)).astype(np.float32)
    return np.asarray(drawn - drawn.mean(axis=0))


_DIRECTIONS = _directions()


def words(descriptors: np.ndarray) -> np.ndarray:
    """(n, tables) uint32 words of (n, 128) descriptors."""
    signs = descriptors.astype(np.float32) @ _DIRECTIONS > 0
    packed = np.packbits(signs.reshape(len(descriptors) * _TABLES, _BITS), axis=1)
    wide = np.zeros((len(packed), 4), np.uint8)
    wide[:, 1:] = packed
    return wide.view(">u4").astype(np.uint32).reshape(len(descriptors), _TABLES)


@dataclass(frozen=True, slots=True)
class _Table:
    """Words in order, and the photo of each."""

    words: np.ndarray
    owners: np.ndarray


class WordIndex:
    """Finds the photos that share most rare words with one. About 50 bytes a feature."""

    def __init__(self, found: np.ndarray, owners: np.ndarray) -> None:
        """found: (n, tables) words; owners: (n,) the number of the photo that each is of."""
        self._tables = []
        for column in range(_TABLES):
            packed = (found[:, column].astype(np.uint64) << np.uint64(32)) | np.arange(len(found), dtype=np.uint64)
            packed.sort()
            order = (packed & np.uint64(0xFFFFFFFF)).astype(np.int64)
            self._tables.append(_Table((packed >> np.uint64(32)).astype(np.uint32), owners[order].astype(np.int32)))

    def likely(
        self, found: np.ndarray, owners: np.ndarray, most: int
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """(photo, other photo, score) by blocks: for each photo its `most` best partners, itself left out.

        owners: (n,) in ascending order. A shared word counts the more the fewer features have it.
        """
        starts = np.flatnonzero(np.append(True, owners[1:] != owners[:-1])) if len(owners) else np.empty(0, int)
        for first in range(0, len(starts), _BLOCK):
            begin = starts[first]
            end = starts[first + _BLOCK] if first + _BLOCK < len(starts) else len(owners)
            yield self._best(found[begin:end], owners[begin:end], most)

    def _best(self, found: np.ndarray, owners: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        keys, weights = [], []
        for column, table in enumerate(self._tables):
            wanted = found[:, column]
            begin = np.searchsorted(table.words, wanted, side="left")
            count = np.searchsorted(table.words, wanted, side="right") - begin
            count[count > _COMMON] = 0
            offset = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
            other = table.owners[np.repeat(begin, count) + offset].astype(np.int64)
            mine = np.repeat(owners, count).astype(np.int64)
            weight = np.repeat(1.0 / np.sqrt(np.maximum(count, 1)), count)
            is_other = mine != other
            keys.append(mine[is_other] << 32 | other[is_other])
            weights.append(weight[is_other])
        pairs, place = np.unique(np.concatenate(keys), return_inverse=True)
        score = np.bincount(place, np.concatenate(weights), minlength=len(pairs))
        pairs, score = pairs[score >= _LEAST_SCORE], score[score >= _LEAST_SCORE]
        mine = pairs >> 32
        order = np.lexsort((-score, mine))
        mine, pairs, score = mine[order], pairs[order], score[order]
        rank = np.arange(len(mine)) - np.searchsorted(mine, mine, side="left")
        top = rank < most
        return mine[top], pairs[top] & 0xFFFFFFFF, score[top]
