"""Stage `diversity`: of a brand with more photos than wanted, the most different ones. Needs the extra `vision`."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carharvest.normalize.base import Scope
from carharvest.records import Evidence, Photo, Verdict
from carharvest.settings import DiversitySettings


@dataclass(frozen=True, slots=True)
class DiversityStage:
    """Drops what is left over when each brand has its `cap` of photos; without a cap it says nothing.

    Those that a person keeps come first; then, again and again, the photo that is farthest from all chosen ones
    (the greedy k-centre of Gonzalez 1985, by the cosine between embeddings).
    """

    limits: DiversitySettings
    embeddings: Callable[[Sequence[str]], np.ndarray]
    name: str = "diversity"
    version: int = 1
    scope: Scope = "whole"

    def settings(self) -> Mapping[str, object]:
        return self.limits.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Verdict]:
        cap = self.limits.cap
        if cap is None:
            return
        of_brand: dict[str, list[Photo]] = defaultdict(list)
        for photo in photos:
            if not photo.drops and len(photo.labels.get("brand", ())) == 1:
                of_brand[photo.labels["brand"][0]].append(photo)
        for brand, members in sorted(of_brand.items()):
            if len(members) <= cap:
                continue
            first = [place for place, photo in enumerate(members) if photo.kept_by_person]
            chosen, distance = farthest_first(self.embeddings([p.sha256 for p in members]), cap, first)
            for place in sorted(set(range(len(members))) - set(chosen)):
                evidence: Evidence = {"brand": brand, "cap": cap, "distance_to_kept": round(float(distance[place]), 4)}
                yield Verdict(members[place].id, False, "over-cap", evidence)


def farthest_first(features: np.ndarray, count: int, first: Sequence[int] = ()) -> tuple[list[int], np.ndarray]:
    """`count` positions of (n, d) features, each the farthest from those before it, and each one's distance to them.

    Begins with `first`, or with the one nearest to the mean. Distances are 1 - cosine, (n,).
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    chosen = list(first[:count]) or [int((unit @ unit.mean(axis=0)).argmax())]
    distance = (1 - unit @ unit[chosen].T).min(axis=1)
    while len(chosen) < min(count, len(unit)):
        distance[chosen] = -1.0
        chosen.append(int(distance.argmax()))
        distance = np.minimum(distance, 1 - unit @ unit[chosen[-1]])
    return chosen, np.maximum(distance, 0.0)
