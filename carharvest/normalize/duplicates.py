"""Stage `duplicates`: what photos that look alike are to each other: copies of one picture, or photos of one shot."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from carharvest.normalize.base import Scope
from carharvest.records import Evidence, Membership, Opinion, Photo, Relation, Tie, Verdict
from carharvest.settings import DuplicateSettings

Ties = Mapping[tuple[int, int], Tie]  # by the positions of the two photos


@dataclass(frozen=True, slots=True)
class DuplicatesStage:
    """Finds groups without chains: every dropped photo is a copy of its keeper itself.

    Photos that earlier stages drop take no part. The keeper is one that a person keeps, then the largest, then the
    sharpest, then the first. What looks alike without being a copy (another colour, a mirrored view) stays, in one
    group for the split. Copies that carry different brands are all dropped: nobody can tell which one is right.
    `ties(ids)` gives the ties among photos.
    """

    limits: DuplicateSettings
    ties: Callable[[Collection[int]], Sequence[Tie]]
    name: str = "duplicates"
    version: int = 2
    scope: Scope = "tied"

    def settings(self) -> Mapping[str, object]:
        return self.limits.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        taking_part = [photo for photo in photos if not photo.drops]
        place = {photo.id: position for position, photo in enumerate(taking_part)}
        ties: dict[tuple[int, int], Tie] = {}
        for tie in self.ties(place.keys()):
            i, j = sorted((place[tie.photo_id], place[tie.other_id]))
            # Hashes and features may both tie two photos: what shows a copy counts, else what came first.
            if self._is_same_shot(tie) and ((i, j) not in ties or self._shows_copy(tie)):
                ties[i, j] = tie
        keeper_of = self._keepers(taking_part, ties)
        yield from _copies(taking_part, ties, keeper_of)
        yield from _groups(taking_part, ties, keeper_of)

    def _is_same_shot(self, tie: Tie) -> bool:
        if tie.detail_bits is not None:
            return tie.detail_bits <= max(self.limits.shot_detail_bits, self.limits.copy_detail_bits)
        enough = (tie.inliers or 0) >= self.limits.shot_inliers
        return enough and (tie.inlier_share or 0.0) >= self.limits.min_inlier_share

    def _shows_copy(self, tie: Tie) -> bool:
        limits = self.limits
        if tie.detail_bits is not None:
            return tie.detail_bits <= limits.copy_detail_bits and tie.chroma <= limits.copy_chroma
        agrees = (tie.inliers or 0) >= limits.copy_inliers and (tie.light or 0.0) >= limits.copy_light
        return agrees and tie.chroma <= limits.copy_aligned_chroma

    def _keepers(self, photos: Sequence[Photo], ties: Ties) -> list[int]:
        """For each photo the position of its keeper, or its own."""
        copies: dict[int, list[int]] = defaultdict(list)
        for (i, j), tie in ties.items():
            # A mirrored front-left view is a front-right view: another example, not a copy.
            other_view = tie.transform != "none" and photos[i].labels.get("view") != photos[j].labels.get("view")
            if self._shows_copy(tie) and not other_view:
                copies[i].append(j)
                copies[j].append(i)
        keeper_of = list(range(len(photos)))
        taken: set[int] = set()
        for position in sorted(copies, key=lambda p: _preference(photos[p])):
            if position in taken:
                continue
            taken.add(position)
            for other in copies[position]:
                if other not in taken and not photos[other].kept_by_person:
                    taken.add(other)
                    keeper_of[other] = position
        return keeper_of


def _preference(photo: Photo) -> tuple[object, ...]:
    """Least for the photo that is rather kept."""
    return not photo.kept_by_person, -photo.area_px, -photo.fingerprint.blur_var, photo.id


def _between(ties: Ties, a: int, b: int) -> Tie:
    return ties[min(a, b), max(a, b)]


def _copies(photos: Sequence[Photo], ties: Ties, keeper_of: Sequence[int]) -> Iterator[Verdict]:
    stars: dict[int, list[int]] = defaultdict(list)
    for position, keeper in enumerate(keeper_of):
        if position != keeper:
            stars[keeper].append(position)
    for keeper, copies in stars.items():
        brands = {brand for position in (keeper, *copies) for brand in photos[position].labels.get("brand", ())}
        for position in copies:
            evidence: Evidence = {
                "keeper": photos[keeper].sha256,
                **_between(ties, position, keeper).evidence,
                "area_px": photos[position].area_px,
                "keeper_area_px": photos[keeper].area_px,
            }
            yield Verdict(photos[position].id, False, "copy", evidence)
        if len(brands) > 1:
            conflict: Evidence = {"brands": ", ".join(sorted(brands)), "copies": len(copies)}
            yield Verdict(photos[keeper].id, False, "copies-disagree", conflict)


def _groups(photos: Sequence[Photo], ties: Ties, keeper_of: Sequence[int]) -> Iterator[Membership]:
    members: dict[int, list[int]] = defaultdict(list)
    for position, component in enumerate(_components(len(photos), ties)):
        members[component].append(position)
    nearest: dict[int, tuple[float, int]] = {}  # position -> (how far, other position)
    for (i, j), tie in ties.items():
        for a, b in ((i, j), (j, i)):
            nearest[a] = min(nearest.get(a, (1e9, b)), (_distance(tie), b))
    for positions in members.values():
        if len(positions) == 1:
            continue
        key = min(photos[p].sha256 for p in positions)
        keepers = {keeper_of[p] for p in positions if keeper_of[p] != p}
        for position in positions:
            other = keeper_of[position]
            kind: Relation = "copy" if other != position else "keeper" if position in keepers else "same-shot"
            if kind != "copy":
                other = nearest[position][1]
            yield Membership(
                photo_id=photos[position].id,
                group_key=key,
                relation=kind,
                of_photo_id=photos[other].id,
                evidence=_between(ties, position, other).evidence,
            )


def _distance(tie: Tie) -> float:
    """Orders ties: those of hashes by their bits, then those of features, the most inliers first."""
    return tie.detail_bits if tie.detail_bits is not None else 1000.0 - min(999, tie.inliers or 0)


def _components(count: int, ties: Ties) -> list[int]:
    rows, columns = [i for i, _ in ties], [j for _, j in ties]
    graph = coo_array((np.ones(len(ties), dtype=np.int8), (rows, columns)), shape=(count, count))
    _, component_of = connected_components(graph, directed=False)
    return [int(component) for component in component_of]
