"""Stage `names`: what a photo was called, in ASCII."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from carharvest.normalize.base import Scope
from carharvest.records import Label, Photo, Sighting
from carharvest.text import to_ascii


@dataclass(frozen=True, slots=True)
class NamesStage:
    """Labels each photo with its names in ASCII; the originals stay in the sightings."""

    name: str = "names"
    version: int = 1
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return {}

    def run(self, photos: Iterable[Photo]) -> Iterator[Label]:
        for photo in photos:
            names: dict[str, tuple[str, str]] = {}
            for sighting in photo.sightings:
                original, method = original_name(sighting)
                plain = to_ascii(original)
                if plain:
                    names.setdefault(plain, (original, method))
            for plain, (original, method) in names.items():
                yield Label(photo.id, "ascii_name", plain, method, evidence={"original": original})


def original_name(sighting: Sighting) -> tuple[str, str]:
    """The best name that a sighting has, and which field it stands in."""
    if sighting.file_name:
        return PurePosixPath(sighting.file_name).stem, "file_name"
    if sighting.title:
        return sighting.title, "title"
    return sighting.alt, "alt"
