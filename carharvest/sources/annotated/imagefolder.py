"""An ImageFolder as they are shared: parts, in them classes, in them pictures; or classes alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from carharvest.records import Annotation, Candidate, Query, part_named
from carharvest.sources.folder import FolderSource


@dataclass(frozen=True, slots=True)
class ImageFolderSource:
    """Pictures below `root`, or in the archive that it names; the folder above a picture is its class."""

    root: Path
    license: str = ""
    license_url: str = ""
    page_url: str = ""
    name: str = "imagefolder"
    per_request: int = 0
    missing: int = 0

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Raises UnreadableFolder."""
        for candidate in FolderSource(self.root, self.name).candidates(query, limit=limit):
            yield replace(
                candidate,
                annotation=annotation_in(candidate.folder),
                license=self.license,
                license_url=self.license_url,
                page_url=self.page_url,
            )


def annotation_in(folder: str) -> Annotation:
    """Part and class that the folders above a picture tell; the outermost is the data set's own."""
    below = folder.split("/")[1:]
    part = next((named for named in map(part_named, below) if named), None)
    classes = [name for name in below if part_named(name) is None]
    return Annotation(tuple(classes[-1:]), part=part)
