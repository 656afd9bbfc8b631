"""Stage `views`: from which side a photo shows the car."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from carharvest.normalize.base import Scope
from carharvest.records import VIEW_WORDS, Label, Photo

_FOLDER: Mapping[str, str] = {re.sub(r"\W", "", view): view for view in VIEW_WORDS} | {"back": "rear"}


@dataclass(frozen=True, slots=True)
class ViewsStage:
    """Labels the view that was asked for, or the one that a folder is named after."""

    name: str = "views"
    version: int = 1
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return {}

    def run(self, photos: Iterable[Photo]) -> Iterator[Label]:
        for photo in photos:
            views: dict[str, str] = {}
            for sighting in photo.sightings:
                if sighting.view_asked:
                    views.setdefault(sighting.view_asked, "query")
                    continue
                for folder in reversed(sighting.folder.split("/")):
                    named = _FOLDER.get(re.sub(r"[\W_]", "", folder.lower()))
                    if named:
                        views.setdefault(named, "folder")
                        break
            for view, method in views.items():
                yield Label(photo.id, "view", view, method, 0.6 / len(views))
