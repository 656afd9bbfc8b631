"""YOLO (docs.ultralytics.com, "Object Detection Datasets"): data.yaml, images/ and, beside it, labels/."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from carharvest.errors import BadAnnotations
from carharvest.records import PARTS, Annotation, Part, SaidBox
from carharvest.sources.annotated.base import AnnotatedPicture, inside, number, text_of_file
from carharvest.sources.folder import PICTURE_SUFFIXES


@dataclass(frozen=True, slots=True)
class Yolo:
    """A folder with a data.yaml (or that file); pictures and labels are below it."""

    path: Path
    name: str = "yolo"

    @property
    def pictures_root(self) -> Path:
        return self.path.parent if self.path.is_file() else self.path

    def pictures(self) -> Iterator[AnnotatedPicture]:
        told = self._told()
        names = _names(told.get("names"), self.path)
        for part in PARTS:
            for entry in _entries(told.get(part) or (told.get("valid") if part == "val" else None)):
                for file in self._files(entry, str(told.get("path") or "")):
                    yield AnnotatedPicture(file, self._annotation(file, part, names))

    def _told(self) -> Mapping[str, Any]:
        found = [self.path] if self.path.is_file() else sorted(self.path.glob("*.y*ml"))
        if not found:
            raise BadAnnotations(f"{self.path} has no data.yaml", hint="name the folder that has one")
        try:
            told = yaml.safe_load(text_of_file(found[0]))
        except yaml.YAMLError as error:
            raise BadAnnotations(f"{found[0]} is no YAML: {error}", hint="mend it there") from None
        if not isinstance(told, dict):
            raise BadAnnotations(f"{found[0]} has no names and parts", hint="is it of YOLO's form?")
        return told

    def _files(self, entry: str, base: str) -> Iterator[str]:
        """Pictures of a folder or of a list of files; a path of another machine is looked for here by its end."""
        root = self.pictures_root
        tries = [PurePosixPath(base) / entry, PurePosixPath(entry)]
        for tried in tries:
            parts = [part for part in tried.parts if part not in {"..", ".", "/"}]
            for start in range(len(parts)):
                place = inside(root, "/".join(parts[start:]))
                if place.is_dir():
                    pictures = (p for p in sorted(place.rglob("*")) if p.suffix.lower() in PICTURE_SUFFIXES)
                    yield from (p.relative_to(root).as_posix() for p in pictures)
                    return
                if place.is_file():
                    yield from (
                        line.strip().removeprefix("./") for line in text_of_file(place).splitlines() if line.strip()
                    )
                    return
        raise BadAnnotations(f"{entry!r} is not below {root}", hint="data.yaml names folders that are not there")

    def _annotation(self, file: str, part: Part, names: Mapping[int, str]) -> Annotation:
        boxes, classes = [], []
        labels = self._labels_of(file)
        if labels is not None:
            for place, line in enumerate(text_of_file(labels).splitlines(), start=1):
                values = [number(value, f"{labels}, line {place}") for value in line.split()]
                if not values:
                    continue
                class_name = names.get(int(values[0]), "")
                if class_name and class_name not in classes:
                    classes.append(class_name)
                boxes.append(_box(values[1:], class_name, f"{labels}, line {place}"))
        return Annotation(tuple(classes), part=part, boxes=tuple(boxes))

    def _labels_of(self, file: str) -> Path | None:
        """`images/train/1.jpg` has its labels in `labels/train/1.txt`, or beside it."""
        parts = list(PurePosixPath(file).with_suffix(".txt").parts)
        places = ["/".join(parts)]
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            places.insert(0, "/".join([*parts[:last], "labels", *parts[last + 1 :]]))
        found = (inside(self.pictures_root, place) for place in places)
        return next((path for path in found if path.is_file()), None)


def _box(values: list[float], class_name: str, where: str) -> SaidBox:
    """Centre and size, or the corners of an outline, all in shares of the picture."""
    if len(values) >= 6 and len(values) % 2 == 0:
        return SaidBox(min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2]), "share", class_name)
    if len(values) != 4:
        raise BadAnnotations(f"{where}: a class and four numbers are wanted", hint="mend it there")
    x, y, width, height = values
    return SaidBox(x - width / 2, y - height / 2, x + width / 2, y + height / 2, "share", class_name)


def _names(told: Any, path: Path) -> dict[int, str]:
    if isinstance(told, list):
        return {place: str(name) for place, name in enumerate(told)}
    if isinstance(told, dict):
        return {int(number(place, "names")): str(name) for place, name in told.items()}
    raise BadAnnotations(f"{path} has no `names`", hint="is it of YOLO's form?")


def _entries(told: Any) -> list[str]:
    if told is None:
        return []
    return [str(entry) for entry in told] if isinstance(told, list) else [str(told)]
