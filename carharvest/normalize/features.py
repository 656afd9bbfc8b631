"""Stage `features`: which photos show the same scene although their hashes differ: crops, rotations, overlays, mirrors.

Rare visual words propose, local features with a geometric check decide. Needs OpenCV, of the extra `vision`.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from carharvest.blobs import BlobStore
from carharvest.normalize.base import Progress, Scope, silent
from carharvest.normalize.kept import KeptArrays, Place
from carharvest.normalize.proposals import MADE_BY, WordIndex, words
from carharvest.records import Photo, Tie
from carharvest.settings import DuplicateSettings

_SEGMENT = 2000  # photos whose features are kept in one file
_TASK = 25  # photos or pairs that a worker gets at a time
_PARTNERS = 6  # looked at more closely for each photo and for its mirror image


@dataclass(frozen=True, slots=True)
class FeaturesStage:
    """Compares what is new with all that is known. `known()` gives (id, sha256) of all photos.

    `workers()` gives the executor for what takes long; features are kept in `cache`, so that no photo is read twice.
    """

    limits: DuplicateSettings
    thumbnails: BlobStore
    cache: Path
    known: Callable[[], Sequence[tuple[int, str]]]
    workers: Callable[[], Executor]
    tell: Progress = silent
    name: str = "features"
    version: int = 1
    scope: Scope = "new"

    def settings(self) -> Mapping[str, object]:
        return {"partners": _PARTNERS, **MADE_BY}

    def run(self, photos: Iterable[Photo]) -> Iterator[Tie]:
        new = {photo.id for photo in photos}
        known = list(self.known())
        if not new:
            return
        with self.workers() as executor:
            features, told = self._kept(known, executor)
            known = [(id_, sha) for id_, sha in known if sha in told]
            pairs = _proposed(known, new, features, told)
            jobs = [self._job(known[a], known[b], features, mirror) for a, b, mirror in pairs]
            best: dict[tuple[int, int], Tie] = {}
            chunks = [jobs[start : start + _TASK] for start in range(0, len(jobs), _TASK)]
            for done, ties in enumerate(executor.map(_verified, chunks), start=1):
                self.tell("comparing likely pairs", min(done * _TASK, len(jobs)), len(jobs))
                for tie in ties:
                    pair = tie.photo_id, tie.other_id
                    if pair not in best or (tie.inliers or 0) > (best[pair].inliers or 0):
                        best[pair] = tie
        yield from best.values()

    def _job(self, one: tuple[int, str], other: tuple[int, str], kept: Mapping[str, Place], mirror: bool) -> "_Job":
        thumbnails = [str(self.thumbnails.path(sha, "jpg")) for _, sha in (one, other)]
        return _Job(one[0], other[0], kept[one[1]], kept[other[1]], thumbnails[0], thumbnails[1], mirror)

    def _kept(self, known: Sequence[tuple[int, str]], executor: Executor) -> tuple[dict[str, Place], dict[str, Place]]:
        """Where the features and the words of all photos lie, after those that are missing were made."""
        from carharvest.normalize.sift import MOST, SIDE_PX

        kept = KeptArrays(self.cache / "features", {"px": SIDE_PX, "most": MOST, "version": self.version})
        told = KeptArrays(self.cache / "words", {"px": SIDE_PX, "most": MOST, "version": self.version, **MADE_BY})
        have = kept.places().keys() & told.places().keys()
        missing = [sha for _, sha in known if sha not in have]
        for start in range(0, len(missing), _SEGMENT):
            segment = missing[start : start + _SEGMENT]
            tasks = [segment[i : i + _TASK] for i in range(0, len(segment), _TASK)]
            paths = [[str(self.thumbnails.path(sha, "jpg")) for sha in task] for task in tasks]
            found: list[tuple[np.ndarray, np.ndarray]] = []
            for rows in executor.map(_features, paths):
                found += rows
                self.tell("finding features", start + len(found), len(missing))
            kept.add(segment, [row for row, _ in found])
            told.add(segment, [row for _, row in found])
        return kept.places(), told.places()


@dataclass(frozen=True, slots=True)
class _Job:
    """Two photos to be compared: where their features and thumbnails are."""

    photo_id: int
    other_id: int
    features: Place
    other_features: Place
    thumbnail: str
    other_thumbnail: str
    mirror: bool


def _proposed(
    known: Sequence[tuple[int, str]], new: set[int], features: Mapping[str, Place], told: Mapping[str, Place]
) -> list[tuple[int, int, bool]]:
    """(position, position, mirrored) of pairs worth a closer look, each once; positions are those in `known`."""
    from carharvest.normalize.sift import mirrored

    rows = [told[sha].read() for _, sha in known]
    owners = np.repeat(np.arange(len(rows)), [len(row) for row in rows])
    all_words = np.concatenate(rows) if rows else np.empty((0, MADE_BY["tables"]), np.uint32)
    index = WordIndex(all_words, owners)
    fresh = np.array([position for position, (id_, _) in enumerate(known) if id_ in new], dtype=np.int64)
    found: dict[tuple[int, int, bool], None] = {}
    for is_mirror in (False, True):
        mine = [
            words(mirrored(features[known[p][1]].read()["descriptor"])) if is_mirror else rows[p]
            for p in fresh.tolist()
        ]
        asked = np.concatenate(mine) if mine else all_words[:0]
        for a, b, _ in index.likely(asked, np.repeat(fresh, [len(m) for m in mine]), _PARTNERS):
            for i, j in zip(a.tolist(), b.tolist(), strict=True):
                found.setdefault((min(i, j), max(i, j), is_mirror))
    return list(found)


def _features(paths: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    """In a worker: features and words of some thumbnails; none where a thumbnail is missing."""
    from carharvest.normalize.sift import FEATURE, features

    _alone()
    found = []
    for path in paths:
        try:
            rows = features(Path(path).read_bytes())
        except OSError:
            rows = np.empty(0, FEATURE)
        found.append((rows, words(rows["descriptor"])))
    return found


def _verified(jobs: Sequence[_Job]) -> list[Tie]:
    """In a worker: the ties among some pairs."""
    from carharvest.normalize.sift import agreement

    _alone()
    ties = []
    for job in jobs:
        try:
            thumbnails = Path(job.thumbnail).read_bytes(), Path(job.other_thumbnail).read_bytes()
            found = agreement(job.features.read(), job.other_features.read(), thumbnails, mirror=job.mirror)
        except OSError:
            continue
        if found is not None:
            ids = sorted((job.photo_id, job.other_id))
            ties.append(
                Tie(
                    photo_id=ids[0],
                    other_id=ids[1],
                    transform=found.transform,
                    chroma=found.chroma,
                    inliers=found.inliers,
                    inlier_share=found.inlier_share,
                    light=found.light,
                )
            )
    return ties


@cache
def _alone() -> Any:
    """A worker computes in one thread: there are as many workers as cores."""
    import cv2
    from threadpoolctl import threadpool_limits

    cv2.setNumThreads(1)
    return threadpool_limits(1)
