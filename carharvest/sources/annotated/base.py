"""What all forms of existing data sets have in common: pictures of one folder, with what is said of each."""

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from carharvest.errors import BadAnnotations
from carharvest.records import Annotation, Candidate, LocalFile, Part, Query, View, part_named
from carharvest.text import printable

_PART_IN_NAME = re.compile(r"train|valid(?:ation)?|val|test|dev", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class AnnotatedPicture:
    """A picture of a data set: where it is below the data set's folder, as written there, and what is said of it."""

    file: str
    annotation: Annotation
    view: View | None = None
    title: str = ""
    license: str = ""
    license_url: str = ""
    page_url: str = ""
    author: str = ""


class Form(Protocol):
    """How a data set is written down. A new form is one file and one test."""

    @property
    def name(self) -> str: ...

    @property
    def pictures_root(self) -> Path:
        """The folder below which all its pictures are."""
        ...

    def pictures(self) -> Iterator[AnnotatedPicture]:
        """Its pictures, each once. Raises BadAnnotations."""
        ...


@dataclass
class AnnotatedSource:
    """A data set as a source. `missing` counts pictures that it tells of and that are not there."""

    form: Form
    license: str = ""
    license_url: str = ""
    page_url: str = ""
    missing: int = 0
    per_request: int = 0

    @property
    def name(self) -> str:
        return self.form.name

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """The data set's pictures that are there. Raises BadAnnotations, also for a picture outside its folder."""
        given = 0
        root = self.form.pictures_root.absolute()
        for picture in self.form.pictures():
            path = inside(root, picture.file)
            try:
                stat = path.stat()
            except OSError:
                self.missing += 1
                continue
            said = json.dumps(asdict(picture.annotation), sort_keys=True, default=str)
            version = f"{stat.st_size}-{stat.st_mtime_ns}-{hashlib.sha256(said.encode()).hexdigest()[:12]}"
            yield Candidate(
                source=self.name,
                place=LocalFile(str(path), version),
                query=query.text,
                brand_asked=query.brand,
                view_asked=picture.view or query.view,
                title=printable(picture.title),
                author=printable(picture.author, 300),
                license=picture.license or self.license,
                license_url=printable(picture.license_url or self.license_url),
                page_url=printable(picture.page_url or self.page_url, 2000),
                folder=printable("/".join(path.parent.relative_to(root.parent).parts)),
                file_name=printable(path.name),
                annotation=picture.annotation,
            )
            given += 1
            if given == limit:
                return


def inside(root: Path, file: str) -> Path:
    """The file below the folder. Raises BadAnnotations for a name that leads out of it, by dots or by a link."""
    path = Path(file.replace("\\", "/"))
    whole = root / path
    is_below = not path.is_absolute() and ".." not in path.parts and "\0" not in file
    if not is_below or not whole.resolve().is_relative_to(root.resolve()):
        raise BadAnnotations(
            f"{printable(file, 200)!r} leads out of {root}", hint="a data set may only name pictures in its own folder"
        )
    return whole


def part_in(name: str) -> Part | None:
    """The part that a file's or folder's name tells of: "instances_val2017.json" is of val."""
    found = _PART_IN_NAME.search(name)
    return part_named(found[0]) if found else None


def number(value: object, where: str) -> float:
    """A finite number. Raises BadAnnotations naming the place."""
    try:
        found = float(str(value))
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise BadAnnotations(f"{where}: {printable(str(value), 60)!r} is no number", hint="mend it there")
    return found


def text_of_file(file: Path) -> str:
    """The file's text. Raises BadAnnotations."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadAnnotations(f"{file} cannot be read: {error}", hint="is it there, whole and UTF-8?") from None
