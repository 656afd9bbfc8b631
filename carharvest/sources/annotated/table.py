"""A table of pictures: one row a picture, or a row a box; columns by the names that people give them."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from carharvest.errors import BadAnnotations
from carharvest.licenses import license_id
from carharvest.records import VIEW_WORDS, Annotation, SaidBox, part_named
from carharvest.sources.annotated.base import AnnotatedPicture, number, text_of_file

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "filename", "file_name", "fname", "path", "filepath", "image", "image_path", "picture", "photo"),
    "class": ("class_name", "class", "label", "category", "name"),
    "brand": ("brand", "make", "manufacturer"),
    "model": ("model",),
    "year": ("year", "model_year"),
    "view": ("view", "side", "angle"),
    "part": ("part", "split", "subset", "set", "partition"),
    "left": ("x1", "xmin", "bbox_x1", "left", "x_min"),
    "top": ("y1", "ymin", "bbox_y1", "top", "y_min"),
    "right": ("x2", "xmax", "bbox_x2", "right", "x_max"),
    "bottom": ("y2", "ymax", "bbox_y2", "bottom", "y_max"),
    "license": ("license", "licence"),
    "author": ("author", "photographer", "credit"),
    "page": ("page", "page_url", "source_url"),
    "width": ("width", "image_width"),
    "height": ("height", "image_height"),
}


@dataclass(frozen=True, slots=True)
class Table:
    """A .csv or .tsv; its pictures are below `root`. Corners are pixels, the right and bottom ones not in the box."""

    file: Path
    root: Path
    name: str = "csv"

    @property
    def pictures_root(self) -> Path:
        return self.root

    def pictures(self) -> Iterator[AnnotatedPicture]:
        found: dict[str, AnnotatedPicture] = {}
        for place, row in self._rows():
            picture = self._picture(row, f"{self.file.name}, line {place}")
            before = found.get(picture.file)
            if before is None:
                found[picture.file] = picture
                continue
            classes = dict.fromkeys((*before.annotation.class_names, *picture.annotation.class_names))
            boxes = (*before.annotation.boxes, *picture.annotation.boxes)
            joined = replace(before.annotation, class_names=tuple(classes), boxes=boxes)
            found[picture.file] = replace(before, annotation=joined)
        yield from found.values()

    def _rows(self) -> Iterator[tuple[int, Mapping[str, str]]]:
        text = text_of_file(self.file)
        first = text.partition("\n")[0]
        separator = max(",;\t|", key=first.count)
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
        known = {_plain(column): column for column in reader.fieldnames or () if column}
        column_of = {
            ours: known[theirs[0]]
            for ours, names in _COLUMNS.items()
            if (theirs := [name for name in names if name in known])
        }
        if "file" not in column_of:
            raise BadAnnotations(
                f"{self.file} has no column of file names", hint=f"call it one of {', '.join(_COLUMNS['file'])}"
            )
        for row in reader:
            yield reader.line_num, {ours: (row.get(theirs) or "").strip() for ours, theirs in column_of.items()}

    def _picture(self, row: Mapping[str, str], where: str) -> AnnotatedPicture:
        if not row["file"]:
            raise BadAnnotations(f"{where}: no file is named", hint="mend it there")
        named = row.get("brand") or row.get("class") or ""
        corners = [row.get(side, "") for side in ("left", "top", "right", "bottom")]
        boxes: tuple[SaidBox, ...] = ()
        if all(corners):
            left, top, right, bottom = (number(corner, where) for corner in corners)
            boxes = (SaidBox(left, top, right, bottom, "px", named),)
        view = row.get("view", "").lower().replace("_", "-").replace(" ", "-")
        return AnnotatedPicture(
            row["file"],
            Annotation(
                (named,) if named else (),
                model=row.get("model", ""),
                year=int(number(row["year"], where)) if row.get("year") else None,
                part=part_named(row.get("part", "")),
                boxes=boxes,
                width_px=int(number(row["width"], where)) if row.get("width") else None,
                height_px=int(number(row["height"], where)) if row.get("height") else None,
            ),
            view=view if view in VIEW_WORDS else None,
            license=license_id(row.get("license", "")),
            author=row.get("author", ""),
            page_url=row.get("page", ""),
        )


def _plain(column: str) -> str:
    return column.strip().lower().replace(" ", "_")
