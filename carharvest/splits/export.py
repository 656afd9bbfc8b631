"""A split in other forms. A form is one function in one file that writes into an empty draft; the rest is the same."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from carharvest.blobs import BlobStore
from carharvest.records import PARTS, Part, Placed
from carharvest.splits.card import Curation, card
from carharvest.splits.croissant import croissant
from carharvest.splits.describe import Credited, FileOf, counts, digest, write_evidence, write_json
from carharvest.splits.pictures import PictureCounts, write_pictures
from carharvest.splits.plan import SplitPlan
from carharvest.splits.render import Rendering, exported_ext
from carharvest.splits.whole import whole_folder

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Export:
    """What is exported: a split's photos, and all that is needed to write them."""

    name: str
    plan: SplitPlan
    rendering: Rendering
    placed: Sequence[Placed]
    blobs: BlobStore
    credited: Credited
    curation: Curation

    @property
    def classes(self) -> list[str]:
        """The names of the classes; the number of a class is its place."""
        return sorted({p.class_name for p in self.placed})

    @property
    def parts(self) -> dict[Part, list[Placed]]:
        """The parts that have photos, in their order."""
        found: dict[Part, list[Placed]] = {}
        for part in PARTS:
            placed = [p for p in self.placed if p.part == part]
            if placed:
                found[part] = placed
        return found

    def write_pictures(self, draft: Path, file_of: FileOf, progress: Progress) -> PictureCounts:
        files = ((p.photo, file_of(p)) for p in self.placed)
        return write_pictures(draft, files, self.blobs, self.rendering, progress=progress)

    def picture_name(self, placed: Placed) -> str:
        """The file name of a picture: random, as in the split."""
        return f"{placed.photo.file_name}.{exported_ext(placed.photo, self.rendering)}"

    def write_papers(
        self,
        draft: Path,
        file_of: FileOf,
        patterns: Sequence[str],
        encoding: str = "image/jpeg",
        data_files: Mapping[str, str] | None = None,
    ) -> None:
        """Card, credits, photos.jsonl, labels.txt and croissant.json: what every export has beside its pictures.

        `patterns`: globs of the files that hold the data, of the media type `encoding`.
        """
        write_evidence(draft, self.placed, file_of, self.rendering, self.credited)
        readme = card(self.name, self.plan, self.placed, counts(self.placed), {}, self.curation, data_files=data_files)
        (draft / "README.md").write_text(readme, encoding="utf-8")
        stated = digest(self.placed, self.plan, self.rendering)
        described = croissant(draft, self.name, self.placed, patterns, encoding, stated)
        write_json(draft / "croissant.json", described)


Form = Callable[[Path, Export, Progress], PictureCounts]


def write_export(target: Path, export: Export, form: Form, progress: Progress = lambda done: None) -> PictureCounts:
    """Writes the split in that form, all of it or nothing; what stood at `target` before is replaced.

    Raises DiskFull.
    """
    with whole_folder(target) as draft:
        return form(draft, export, progress)


def is_own(target: Path) -> bool:
    """Whether a folder is an export of ours (or empty), so that it may be replaced."""
    with suppress(OSError):
        names = {entry.name for entry in target.iterdir()}
        return not names or {"README.md", "photos.jsonl"} <= names
    return False
