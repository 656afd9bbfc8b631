"""Stanford Cars (Krause et al. 2013): boxes and classes in a MATLAB file, pictures beside it."""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from carharvest.errors import BadAnnotations
from carharvest.records import Annotation, Part, SaidBox
from carharvest.sources.annotated.base import AnnotatedPicture, number, text_of_file

# The files of the data set's devkit and of its later releases, with the part that each is of.
_TABLES: Mapping[str, Part | None] = {
    "cars_train_annos.mat": "train",
    "cars_test_annos_withlabels.mat": "test",
    "cars_test_annos.mat": "test",
    "cars_annos.mat": None,
}
_FOLDERS = ("", "devkit", "car_devkit", "car_devkit/devkit")
_PICTURES: Mapping[Part | None, tuple[str, ...]] = {
    "train": ("", "cars_train", "cars_train/cars_train"),
    "test": ("", "cars_test", "cars_test/cars_test"),
    None: ("",),
}


@dataclass(frozen=True, slots=True)
class StanfordCars:
    """The folder that the data set was unpacked to; tables of parts that are not there are passed over."""

    root: Path
    name: str = "stanford-cars"

    @property
    def pictures_root(self) -> Path:
        return self.root

    def pictures(self) -> Iterator[AnnotatedPicture]:
        tables = [
            (self.root / folder / table, part)
            for table, part in _TABLES.items()
            for folder in _FOLDERS
            if (self.root / folder / table).is_file()
        ]
        if any(path.name == "cars_test_annos_withlabels.mat" for path, _ in tables):
            tables = [(path, part) for path, part in tables if path.name != "cars_test_annos.mat"]
        if not tables:
            raise BadAnnotations(
                f"{self.root} has none of {', '.join(_TABLES)}",
                hint="name the folder that Stanford Cars was unpacked to",
            )
        names = self._class_names()
        for path, part in tables:
            yield from self._of_table(path, part, names)

    def _of_table(self, path: Path, part: Part | None, names: Mapping[int, str]) -> Iterator[AnnotatedPicture]:
        rows = _matlab(path).get("annotations")
        fields = getattr(getattr(rows, "dtype", None), "names", None) or ()
        if not {"bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2"} <= set(fields):
            raise BadAnnotations(f"{path} has no annotations with boxes", hint="is it the table of Stanford Cars?")
        for place, row in enumerate(rows.ravel().tolist() if rows is not None else [], start=1):
            told = dict(zip(fields, row, strict=True))
            where = f"{path.name}, row {place}"
            corners = [number(told[f"bbox_{side}"], where) for side in ("x1", "y1", "x2", "y2")]
            # Pixels are counted from 1 and the last one is in the box.
            box = SaidBox(corners[0] - 1, corners[1] - 1, corners[2], corners[3])
            known = names.get(int(number(told["class"], where)), "") if "class" in told else ""
            file = str(told.get("fname", told.get("relative_im_path", "")))
            own = part or ("test" if told.get("test") else "train")
            annotation = Annotation((known,) if known else (), part=own, boxes=(box,))
            yield AnnotatedPicture(self._place_of(file, part), annotation, title=known)

    def _place_of(self, file: str, part: Part | None) -> str:
        places = [f"{folder}/{file}" if folder else file for folder in _PICTURES[part]]
        return next((place for place in places if ".." not in place and (self.root / place).is_file()), places[0])

    def _class_names(self) -> dict[int, str]:
        """Class number, from 1, -> its name, from cars_meta.mat, cars_annos.mat or class_names.csv."""
        for folder in _FOLDERS:
            for name in ("cars_meta.mat", "cars_annos.mat"):
                path = self.root / folder / name
                if path.is_file():
                    found = _matlab(path).get("class_names")
                    if found is not None:
                        return {number: str(text) for number, text in enumerate(found.ravel().tolist(), start=1)}
            path = self.root / folder / "class_names.csv"
            if path.is_file():
                rows = csv.DictReader(text_of_file(path).splitlines())
                return {int(number(row.get("class"), path.name)): row.get("name") or "" for row in rows}
        raise BadAnnotations(
            f"{self.root} has neither cars_meta.mat nor class_names.csv", hint="the names of the classes stand there"
        )


def _matlab(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        found: dict[str, Any] = loadmat(str(path), squeeze_me=True)
    except Exception as error:  # a damaged file can raise what its reader likes
        raise BadAnnotations(f"{path} is no MATLAB table: {error}", hint="is it whole?") from None
    return found
