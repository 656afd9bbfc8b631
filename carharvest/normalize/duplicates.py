"""Stage `duplicates`: copies of one picture, and photos of one shot, by pHash."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from carharvest.normalize.near import Near, near_prints
from carharvest.records import Evidence, Fingerprint, Membership, Opinion, Photo, Relation, Verdict
from carharvest.settings import DuplicateSettings


@dataclass(frozen=True, slots=True)
class _Item:
    """What the comparison needs of a photo; a million of them fit into memory."""

    id: int
    sha256: str
    area_px: int
    blur_var: float
    brands: tuple[str, ...]
    views: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DuplicatesStage:
    """Finds groups without chains: every dropped photo is a copy of its keeper itself.

    Photos that earlier stages drop take no part. The keeper is the largest, then the sharpest, then the first. What
    is near without being a copy (another colour, a mirrored view) stays, in one group for the split.
    Copies that carry different brands are all dropped: nobody can tell which one is right.
    """

    radii: DuplicateSettings
    name: str = "duplicates"
    version: int = 1
    whole: bool = True

    def settings(self) -> Mapping[str, object]:
        return self.radii.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        items: list[_Item] = []
        prints: list[Fingerprint] = []
        for photo in photos:
            if photo.drops:
                continue
            labels = photo.labels
            sharpness = photo.fingerprint.blur_var
            items.append(
                _Item(photo.id, photo.sha256, photo.area_px, sharpness, labels.get("brand", ()), labels.get("view", ()))
            )
            prints.append(photo.fingerprint)
        widest = max(self.radii.copy_detail_bits, self.radii.shot_detail_bits)
        near = near_prints(prints, self.radii.radius_bits, widest)
        keeper_of = self._keepers(items, near)
        yield from self._copies(items, near, keeper_of)
        yield from self._groups(items, near, keeper_of)

    def _is_copy(self, a: _Item, b: _Item, near: Near) -> bool:
        # A mirrored front-left view is a front-right view: another example, not a copy.
        other_view = near.transform != "none" and a.views != b.views
        other_colour = near.chroma > self.radii.copy_chroma
        return near.detail_bits <= self.radii.copy_detail_bits and not other_view and not other_colour

    def _keepers(self, items: Sequence[_Item], near: Mapping[tuple[int, int], Near]) -> list[int]:
        """For each item the position of its keeper, or its own."""
        copies: dict[int, list[int]] = defaultdict(list)
        for (i, j), relation in near.items():
            if self._is_copy(items[i], items[j], relation):
                copies[i].append(j)
                copies[j].append(i)
        keeper_of = list(range(len(items)))
        taken: set[int] = set()
        for position in sorted(copies, key=lambda p: (-items[p].area_px, -items[p].blur_var, items[p].id)):
            if position in taken:
                continue
            taken.add(position)
            for other in copies[position]:
                if other not in taken:
                    taken.add(other)
                    keeper_of[other] = position
        return keeper_of

    def _copies(
        self, items: Sequence[_Item], near: Mapping[tuple[int, int], Near], keeper_of: Sequence[int]
    ) -> Iterator[Verdict]:
        stars: dict[int, list[int]] = defaultdict(list)
        for position, keeper in enumerate(keeper_of):
            if position != keeper:
                stars[keeper].append(position)
        for keeper, copies in stars.items():
            brands = {brand for position in (keeper, *copies) for brand in items[position].brands}
            for position in copies:
                relation = near[min(position, keeper), max(position, keeper)]
                evidence: Evidence = {
                    "keeper": items[keeper].sha256,
                    "distance_bits": relation.distance_bits,
                    "detail_bits": relation.detail_bits,
                    "chroma": relation.chroma,
                    "transform": relation.transform,
                    "area_px": items[position].area_px,
                    "keeper_area_px": items[keeper].area_px,
                }
                yield Verdict(items[position].id, False, "copy", evidence)
            if len(brands) > 1:
                conflict: Evidence = {"brands": ", ".join(sorted(brands)), "copies": len(copies)}
                yield Verdict(items[keeper].id, False, "copies-disagree", conflict)

    def _groups(
        self, items: Sequence[_Item], near: Mapping[tuple[int, int], Near], keeper_of: Sequence[int]
    ) -> Iterator[Membership]:
        members: dict[int, list[int]] = defaultdict(list)
        for position, component in enumerate(_components(len(items), near)):
            members[component].append(position)
        nearest: dict[int, tuple[int, int]] = {}  # position -> (detail bits, other position)
        for (i, j), relation in near.items():
            for a, b in ((i, j), (j, i)):
                nearest[a] = min(nearest.get(a, (999, b)), (relation.detail_bits, b))
        for positions in members.values():
            if len(positions) == 1:
                continue
            key = min(items[p].sha256 for p in positions)
            keepers = {keeper_of[p] for p in positions if keeper_of[p] != p}
            for position in positions:
                other = keeper_of[position]
                kind: Relation = "copy" if other != position else "keeper" if position in keepers else "same-shot"
                if kind != "copy":
                    other = nearest[position][1]
                relation = near[min(position, other), max(position, other)]
                yield Membership(
                    photo_id=items[position].id,
                    group_key=key,
                    relation=kind,
                    of_photo_id=items[other].id,
                    distance_bits=relation.distance_bits,
                    detail_bits=relation.detail_bits,
                    transform=relation.transform,
                )


def _components(count: int, near: Mapping[tuple[int, int], Near]) -> list[int]:
    rows = [i for i, _ in near]
    columns = [j for _, j in near]
    graph = coo_array((np.ones(len(near), dtype=np.int8), (rows, columns)), shape=(count, count))
    _, component_of = connected_components(graph, directed=False)
    return [int(component) for component in component_of]
