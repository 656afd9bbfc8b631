"""Stage `content`: whether a photo shows a car at all, or a logo, or something else. Needs the extra `vision`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from carharvest.normalize.base import Scope
from carharvest.records import Evidence, Label, Opinion, Photo, Verdict
from carharvest.settings import ContentSettings

# ImageNet's classes of cars and lorries, and of what is seen of a car from near.
_CARS = (
    407, 436, 468, 511, 555, 569, 573, 575, 609, 627, 654, 656, 661, 675, 717, 734, 751, 757, 779, 817, 829, 864, 867,
    874,
)  # fmt: skip
_GRILLE = 581  # of a whole car from the front it is often the likeliest class, so alone it tells no part
_PARTS = (475, 479, 785)  # mirror, wheel, seat belt


@dataclass(frozen=True, slots=True)
class ContentStage:
    """Drops what the network sees no car in. `embeddings(hashes)` and `shares(embeddings)` are the network.

    Pictures of `drawn_sources` are drawings, which a network of photos does not know well: of these only plain
    logos are dropped.
    """

    limits: ContentSettings
    embeddings: Callable[[Sequence[str]], np.ndarray]
    shares: Callable[[np.ndarray], np.ndarray]
    name: str = "content"
    version: int = 1
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return self.limits.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        seen = list(photos)
        if not seen:
            return
        embeddings = self.embeddings([photo.sha256 for photo in seen])
        shares = self.shares(embeddings)
        whole, part = shares[:, _CARS].sum(axis=1), shares[:, _PARTS].sum(axis=1)
        vehicle = whole + part + shares[:, _GRILLE]
        for row, photo in enumerate(seen):
            if not embeddings[row].any():
                continue  # no thumbnail: nothing was seen
            car, entropy = round(float(vehicle[row]), 4), photo.fingerprint.entropy_bits
            evidence: Evidence = {"car": car, "entropy_bits": entropy}
            is_drawing = all(s.source in self.limits.drawn_sources for s in photo.sightings)
            kind = self._kind(car, float(part[row]), entropy, is_drawing=is_drawing)
            if kind == "car":
                continue
            yield Label(photo.id, "content", kind, "ImageNet classes", 1 - car if kind != "part" else car, evidence)
            if kind == "part":
                yield Verdict(photo.id, True, "car-part", {**evidence, "part": round(float(part[row]), 4)})
            else:
                yield Verdict(photo.id, False, "logo" if kind == "logo" else "no-car", evidence)

    def _kind(self, car: float, part: float, entropy: float, *, is_drawing: bool) -> str:
        limits = self.limits
        is_plain_logo = entropy < limits.plain_entropy_bits and car < limits.min_car_on_plain
        if is_drawing:
            return "logo" if is_plain_logo else "car"
        if car < limits.min_car or is_plain_logo:
            return "logo" if entropy < limits.logo_entropy_bits else "other"
        return "part" if part > limits.min_part else "car"
