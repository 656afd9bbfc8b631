"""Stage `hashes`: which photos look alike by their pHashes: 64 bits propose, 256 bits tell how near."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carharvest.catalog.ties import Prints
from carharvest.normalize.base import Scope
from carharvest.normalize.hamming import near_pairs
from carharvest.records import Photo, Tie
from carharvest.settings import DuplicateSettings

_DETAIL = 16  # the detail hash has 16 x 16 bits
_FIELDS = 4  # chroma has 4 x 4 fields of 2 bytes
_SLICE = 200_000
TRANSFORMS = ("none", "mirrored", "flipped", "rotated")


@dataclass(frozen=True, slots=True)
class HashesStage:
    """Compares what is new with all that is known, exactly; plain pictures, which all look alike, are left out.

    `known()` gives ids and pHashes of all photos, `prints(ids)` all hashes of some.
    """

    radii: DuplicateSettings
    known: Callable[[], tuple[np.ndarray, np.ndarray]]
    prints: Callable[[Sequence[int]], Prints]
    name: str = "hashes"
    version: int = 1
    scope: Scope = "new"

    def settings(self) -> Mapping[str, object]:
        return {name: getattr(self.radii, name) for name in ("radius_bits", "copy_detail_bits", "shot_detail_bits")}

    def run(self, photos: Iterable[Photo]) -> Iterator[Tie]:
        ids, straight = self.known()
        new = np.array([photo.id for photo in photos], dtype=np.int64)
        at = np.searchsorted(ids, new)
        at = at[(at < len(ids)) & (ids[np.minimum(at, len(ids) - 1)] == new)] if len(ids) else at[:0]
        if not len(at):
            return
        fresh = self.prints(ids[at].tolist())
        best: dict[tuple[int, int], Tie] = {}
        for transform, pairs in self._pairs(straight, at, fresh):
            for tie in self._ties(ids, pairs, transform):
                pair = tie.photo_id, tie.other_id
                if pair not in best or (tie.detail_bits or 0) < (best[pair].detail_bits or 0):
                    best[pair] = tie
        yield from best.values()

    def _pairs(self, straight: np.ndarray, at: np.ndarray, fresh: Prints) -> Iterator[tuple[str, np.ndarray]]:
        """For each way of turning, (k, 3) rows of a new photo, any other, and their distance; each pair once."""
        radius = self.radii.radius_bits
        transforms: tuple[str, ...] = TRANSFORMS
        if len(at) == len(straight):  # all are new: the straight ones among themselves are found in half the time
            yield TRANSFORMS[0], near_pairs(straight, None, radius)
            transforms = TRANSFORMS[1:]
        is_new = np.zeros(len(straight), dtype=bool)
        is_new[at] = True
        found = near_pairs(np.concatenate([fresh.hashes[transform] for transform in transforms]), straight, radius)
        which, left = found[:, 0] // len(at), at[found[:, 0] % len(at)]
        # Turning one of a pair or the other comes to the same, so two new ones need to be met once only.
        once = (left < found[:, 1]) | ((left != found[:, 1]) & ~is_new[found[:, 1]])
        for number, transform in enumerate(transforms):
            mine = once & (which == number)
            yield transform, np.stack([left[mine], found[mine, 1], found[mine, 2]], axis=1)

    def _ties(self, ids: np.ndarray, pairs: np.ndarray, transform: str) -> Iterator[Tie]:
        widest = max(self.radii.copy_detail_bits, self.radii.shot_detail_bits)
        for start in range(0, len(pairs), _SLICE):
            i, j, distance = pairs[start : start + _SLICE].T
            of_pairs, places = np.unique(np.concatenate([i, j]), return_inverse=True)
            prints = self.prints(ids[of_pairs].tolist())
            a, b = places[: len(i)], places[len(i) :]
            bits = np.bitwise_count(prints.details[a] ^ prints.details[b] ^ _turned_bits(transform)).sum(axis=1)
            close = np.flatnonzero(bits <= widest)
            fields = prints.chromas.reshape(-1, _FIELDS, _FIELDS, 2)
            colour = np.abs(_turned_fields(fields[a[close]], transform).astype(np.int16) - fields[b[close]])
            chroma = colour.mean(axis=(1, 2, 3)).round(2)
            for k, place in enumerate(close):
                first, second = sorted((int(ids[i[place]]), int(ids[j[place]])))
                yield Tie(
                    photo_id=first,
                    other_id=second,
                    transform=transform,
                    chroma=float(chroma[k]),
                    distance_bits=int(distance[place]),
                    detail_bits=int(bits[place]),
                )


def _turned_bits(transform: str) -> np.ndarray:
    """The bits of a detail hash that turning the picture changes: those of odd columns, odd rows, or either.

    Exact but for the few bits between the median and zero: 6 of 256 in the median, 18 at most on 150 photos.
    """
    odd = np.arange(_DETAIL) % 2 == 1
    columns = np.broadcast_to(odd[None, :], (_DETAIL, _DETAIL))
    masks = {"none": columns & False, "mirrored": columns, "flipped": columns.T, "rotated": columns ^ columns.T}
    return np.packbits(masks[transform])


def _turned_fields(fields: np.ndarray, transform: str) -> np.ndarray:
    if transform in {"flipped", "rotated"}:
        fields = fields[:, ::-1]
    if transform in {"mirrored", "rotated"}:
        fields = fields[:, :, ::-1]
    return fields
