"""Stage `brands`: which brand a photo shows, by what the sources say of it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from carharvest.brands import BrandMapping, Match
from carharvest.normalize.base import Scope
from carharvest.records import Label, Opinion, Photo, Sighting, Verdict
from carharvest.text import words

# In order of trust: what was asked for, what a data set says, where it lay, how it was called, what stood beside it.
_CONFIDENCE = {
    "query": 0.9, "annotation": 0.95, "folder": 0.9, "file_name": 0.8, "title": 0.7, "alt": 0.6
}  # fmt: skip

_BY_MODEL = 0.8  # of the confidence, where only a model tells the brand


@dataclass(frozen=True, slots=True)
class BrandsStage:
    """Labels a photo with a brand where its sightings agree; conflicts stay conflicts and drop the photo.

    Each sighting's fields are read in order and the first that names exactly one brand is its word. A later
    field that names only other brands contradicts it.
    """

    mapping: BrandMapping
    name: str = "brands"
    version: int = 3
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return {"mapping": sorted((key, repr(brand)) for key, brand in self.mapping.brands.items())}

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        for photo in photos:
            claims: dict[str, tuple[str, Match]] = {}  # brand -> the field that named it first
            for sighting in photo.sightings:
                for field, match in brand_claims(self.mapping, sighting):
                    claims.setdefault(match.brand, (field, match))
            share = 1.0 if len(claims) == 1 else 1.0 / max(1, len(claims))
            for brand, (field, match) in claims.items():
                confidence = _CONFIDENCE[field] * share * (_BY_MODEL if match.by_model else 1.0)
                yield Label(photo.id, "brand", brand, field, confidence, {"alias": match.alias})
            if not claims:
                yield Verdict(photo.id, False, "no-brand", {"sightings": len(photo.sightings)})
            elif len(claims) > 1:
                yield Verdict(photo.id, False, "brand-conflict", {b: f"{f}: {m.alias}" for b, (f, m) in claims.items()})


def brand_claims(mapping: BrandMapping, sighting: Sighting) -> list[tuple[str, Match]]:
    """What one sighting says: one brand (it is clear), several (it contradicts itself) or none."""
    claims: list[tuple[str, Match]] = []
    for field, read in _READERS.items():
        found = read(mapping, sighting)
        if not found:
            continue
        if not claims:
            claims = [(field, match) for match in found]
        elif not {match.brand for match in found} & {match.brand for _, match in claims}:
            claims += [(field, match) for match in found]
        elif len(claims) > 1 and len(found) == 1:
            claims = [(field, found[0])]  # "Audi and BMW" in the title, BMW in the alt text
    return claims


def _in_query(mapping: BrandMapping, sighting: Sighting) -> list[Match]:
    if sighting.brand_asked:
        return [Match(sighting.brand_asked, sighting.brand_asked)]
    return mapping.find(sighting.query)


def _in_annotation(mapping: BrandMapping, sighting: Sighting) -> list[Match]:
    """The brand that a class name begins with ("AM General Hummer SUV 2000" is no Hummer), or else all it names."""
    found: dict[str, Match] = {}
    for class_name in sighting.annotation.class_names if sighting.annotation else ():
        for match in named_by_class(mapping, class_name):
            found.setdefault(match.brand, match)
    return list(found.values())


def named_by_class(mapping: BrandMapping, class_name: str) -> list[Match]:
    """What the name of a class says of the brand."""
    whole = mapping.exactly(class_name)
    if whole:
        return [whole]
    matches = mapping.find(class_name)
    begins = bool(matches) and " ".join(words(class_name)).startswith(matches[0].alias)
    return matches[:1] if begins and not matches[0].by_model else matches


def _in_folder(mapping: BrandMapping, sighting: Sighting) -> list[Match]:
    """The innermost folder that names a brand decides; a folder that is only a name needs no context."""
    for folder in reversed(sighting.folder.split("/")):
        whole = mapping.exactly(folder)
        found = [whole] if whole else mapping.find(folder)
        if found:
            return found
    return []


def _in_file_name(mapping: BrandMapping, sighting: Sighting) -> list[Match]:
    return mapping.find(PurePosixPath(sighting.file_name).stem)


_READERS: Mapping[str, Callable[[BrandMapping, Sighting], list[Match]]] = {
    "query": _in_query,
    "annotation": _in_annotation,
    "folder": _in_folder,
    "file_name": _in_file_name,
    "title": lambda mapping, sighting: mapping.find(sighting.title),
    "alt": lambda mapping, sighting: mapping.find(sighting.alt),
}
