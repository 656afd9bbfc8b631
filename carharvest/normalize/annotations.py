"""Stage `annotations`: model, year, own part and boxes, as existing data sets say them; the model also from texts."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from carharvest.brands import BrandMapping
from carharvest.normalize.base import Scope
from carharvest.normalize.boxes import checked_boxes
from carharvest.normalize.brands import named_by_class
from carharvest.records import Label, LabelKind, Opinion, Photo, Sighting, Verdict
from carharvest.text import printable, to_ascii, words

_YEAR = re.compile(r"\b(18[89]\d|19\d\d|20\d\d)\b")  # the first car is of 1886
_SURE, _FROM_TEXT = 0.95, 0.5


@dataclass(frozen=True, slots=True)
class AnnotationsStage:
    """Labels what is annotated, and flags boxes that cannot be right; what can be mended of them is."""

    mapping: BrandMapping
    name: str = "annotations"
    version: int = 1
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return {"models": sorted((key, brand.models) for key, brand in self.mapping.brands.items())}

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        for photo in photos:
            labels: dict[tuple[LabelKind, str], Label] = {}
            problems: dict[str, int] = {}
            for sighting in photo.sightings:
                for label in (*self._said(photo, sighting), *_boxes(photo, sighting, problems)):
                    labels.setdefault((label.kind, label.value), label)
            if not any(kind == "model" for kind, _ in labels):
                labels |= {(label.kind, label.value): label for label in self._told(photo)}
            yield from labels.values()
            for reason, count in problems.items():
                yield Verdict(photo.id, True, reason, {"boxes": count})

    def _said(self, photo: Photo, sighting: Sighting) -> Iterator[Label]:
        said = sighting.annotation
        if said is None:
            return
        if said.part:
            yield Label(photo.id, "part", said.part, "annotation", 1.0)
        models = [said.model] if said.model else [self._model_in(name) for name in said.class_names]
        years = [str(said.year)] if said.year else [y for name in said.class_names for y in _YEAR.findall(name)[-1:]]
        for model in models:
            plain = printable(to_ascii(model), 60)
            if plain:
                yield Label(photo.id, "model", plain, "annotation", _SURE)
        for year in years:
            yield Label(photo.id, "year", year, "annotation", _SURE)

    def _model_in(self, class_name: str) -> str:
        """ "Audi TTS Coupe 2012" -> "TTS Coupe"; nothing where the class names no brand, or no more than one."""
        matches = named_by_class(self.mapping, class_name)
        if len(matches) != 1:
            return ""
        rest = class_name.replace("_", " ").split()
        rest = rest[self._words_of_brand(rest, matches[0].brand) :]
        if rest and _YEAR.fullmatch(rest[-1].strip("()[]'’,.")):
            rest.pop()
        return " ".join(rest)

    def _words_of_brand(self, name: Sequence[str], key: str) -> int:
        """How many of the first words are the brand's: its own name, or else the shortest of its other names."""
        brand = self.mapping.brands[key]
        lengths = range(1, len(name) + 1)
        for own in (words(brand.name), words(key)):
            for length in lengths:
                if words(" ".join(name[:length])) == own:
                    return length
        match = ((n, self.mapping.exactly(" ".join(name[:n]))) for n in lengths)
        return next((n for n, found in match if found and found.brand == key), 0)

    def _told(self, photo: Photo) -> Iterator[Label]:
        """The longest model of the photo's one brand that a text names; none where texts name several."""
        brands = photo.labels.get("brand", ())
        if len(set(brands)) != 1 or brands[0] not in self.mapping.brands:
            return
        models = {tuple(words(model)): model for model in self.mapping.brands[brands[0]].models}
        named: dict[str, str] = {}
        for s in photo.sightings:
            for field in ("title", "alt", "file_name"):
                for model in _models_in(words(getattr(s, field)), models):
                    named.setdefault(model, field)
        if len(named) == 1:
            ((model, field),) = named.items()
            yield Label(photo.id, "model", printable(to_ascii(model), 60), field, _FROM_TEXT)


def _models_in(tokens: list[str], models: Mapping[tuple[str, ...], str]) -> list[str]:
    """Models that the words name, those left out that are part of a longer one."""
    found = [
        known
        for known in models
        for start in range(len(tokens) - len(known) + 1)
        if tuple(tokens[start : start + len(known)]) == known
    ]
    whole = [k for k in found if not any(k != other and set(k) < set(other) for other in found)]
    return [models[known] for known in dict.fromkeys(whole)]


def _boxes(photo: Photo, sighting: Sighting, problems: dict[str, int]) -> Iterator[Label]:
    if sighting.annotation is None:
        return
    print_ = photo.fingerprint
    for checked in checked_boxes(sighting.annotation, print_.width_px, print_.height_px):
        for problem in checked.problems:
            problems[problem] = problems.get(problem, 0) + 1
        if checked.box is not None:
            yield Label(photo.id, "box", checked.box.text, "annotation", _SURE if not checked.problems else _FROM_TEXT)
