"""COCO (cocodataset.org, "Data format"): one JSON file a part, with boxes as left, top, width, height."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carharvest.errors import BadAnnotations
from carharvest.licenses import license_id
from carharvest.records import Annotation, SaidBox
from carharvest.sources.annotated.base import AnnotatedPicture, number, part_in, text_of_file


@dataclass(frozen=True, slots=True)
class Coco:
    """An annotation file, or a folder with such files in it or in its `annotations`."""

    path: Path
    root: Path  # below which the pictures are
    name: str = "coco"

    @property
    def pictures_root(self) -> Path:
        return self.root

    def pictures(self) -> Iterator[AnnotatedPicture]:
        inner = self.path / "annotations"
        folder = inner if inner.is_dir() else self.path
        files = [self.path] if self.path.is_file() else sorted(folder.glob("*.json"))
        if not files:
            raise BadAnnotations(f"{self.path} has no .json", hint="name the annotation file, and --pictures DIR")
        for file in files:
            yield from self._of_file(file)

    def _of_file(self, file: Path) -> Iterator[AnnotatedPicture]:
        told = _loaded(file)
        names = {c.get("id"): str(c.get("name", "")) for c in _rows(told, "categories", file)}
        licenses = {r.get("id"): (str(r.get("name", "")), str(r.get("url", ""))) for r in _rows(told, "licenses", file)}
        boxes: dict[Any, list[SaidBox]] = defaultdict(list)
        classes: dict[Any, list[str]] = defaultdict(list)
        for place, row in enumerate(_rows(told, "annotations", file), start=1):
            image, class_name = row.get("image_id"), names.get(row.get("category_id"), "")
            if class_name and class_name not in classes[image]:
                classes[image].append(class_name)
            if row.get("bbox"):
                where = f"{file.name}, annotation {place}"
                if not isinstance(row["bbox"], list) or len(row["bbox"]) != 4:
                    raise BadAnnotations(f"{where}: bbox has to be four numbers", hint="mend it there")
                left, top, width, height = (number(value, where) for value in row["bbox"])
                boxes[image].append(SaidBox(left, top, left + width, top + height, "px", class_name))
        for image in _rows(told, "images", file):
            license_, license_url = licenses.get(image.get("license"), ("", ""))
            part = part_in(file.stem)
            file_name = str(image.get("file_name", ""))
            found = [file_name, *(f"{folder}/{file_name}" for folder in (part or "", "images") if folder)]
            yield AnnotatedPicture(
                next((f for f in found if ".." not in f and (self.root / f).is_file()), file_name),
                Annotation(
                    tuple(classes[image.get("id")]),
                    part=part,
                    boxes=tuple(boxes[image.get("id")]),
                    width_px=_size(image.get("width")),
                    height_px=_size(image.get("height")),
                ),
                license=license_id(license_url, license_),
                license_url=license_url,
                page_url=str(image.get("flickr_url", "")),
            )


def _loaded(file: Path) -> Mapping[str, Any]:
    try:
        told = json.loads(text_of_file(file))
    except (ValueError, RecursionError) as error:
        raise BadAnnotations(f"{file} is no JSON: {error}", hint="is it whole?") from None
    if not isinstance(told, dict) or "images" not in told:
        raise BadAnnotations(f"{file} has no `images`", hint="is it of COCO's form?")
    return told


def _rows(told: Mapping[str, Any], name: str, file: Path) -> list[dict[str, Any]]:
    rows = told.get(name, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadAnnotations(f"{file}: `{name}` has to be a list of objects", hint="is it of COCO's form?")
    return rows


def _size(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None
