"""Reads an ImageFolder: which photos, which classes, and what the split wrote down of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train_adapter.errors import TrainingError

PARTS = ("train", "val", "test")
# torchvision.datasets.folder.IMG_EXTENSIONS
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
_SIDES = {"left": "right", "right": "left"}

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PhotoFacts:
    """What the split says of a photo. `box` is left, top, right, bottom as shares of the picture."""

    view: str = ""
    source: str = ""
    width_px: int = 0
    height_px: int = 0
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """What the split says of a class: its company group, and the brand it is the luxury or mainstream side of."""

    group: str = ""
    pair: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The photos of one part, in order of their paths; `targets` are positions in the list of classes."""

    name: str
    files: tuple[Path, ...]
    targets: tuple[int, ...]
    facts: tuple[PhotoFacts, ...] = ()

    def __len__(self) -> int:
        return len(self.files)

    def facts_of(self, position: int) -> PhotoFacts:
        return self.facts[position] if self.facts else PhotoFacts()


@dataclass(frozen=True, slots=True)
class Folder:
    """An ImageFolder with its three parts."""

    root: Path
    classes: tuple[str, ...]
    parts: dict[str, Part]
    class_facts: tuple[ClassFacts, ...] = ()

    @property
    def counts(self) -> list[int]:
        """Train photos of each class."""
        targets = self.parts["train"].targets
        return [targets.count(target) for target in range(len(self.classes))]


def mirrored_classes(classes: Sequence[str]) -> tuple[int, ...] | None:
    """The class of each class's mirror image; None where a side has no counterpart, so nothing may be mirrored."""
    names = [_mirrored_name(name) for name in classes]
    if set(names) != set(classes):
        return None
    return tuple(classes.index(name) for name in names)


def read_folder(root: Path) -> Folder:
    """The classes are those of labels.txt, or else the names of the folders in train, sorted.

    What photos.jsonl and split.json say of photos and classes is read where they are. Raises TrainingError where parts
    or classes are missing.
    """
    if not (root / "train").is_dir():
        raise TrainingError(f"{root} has no folder train", hint="make one with: carharvest split")
    classes = _classes(root)
    if len(classes) < 2:
        have = classes[0] if classes else "none"
        raise TrainingError(
            f"a classifier needs photos of at least two classes; there is {have}",
            hint="scrape another brand (carharvest scrape pexels --brand AUDI), then normalize and split --replace",
            one_class=True,
        )
    known = _photo_facts(root)
    parts = {name: _part(root, name, classes, known) for name in PARTS}
    for name in PARTS:
        if not len(parts[name]):
            raise TrainingError(
                f"{root / name} has no photos",
                hint="scrape more photos of each brand, then normalize and split --replace; three a brand is the least",
            )
    return Folder(root, classes, parts, _class_facts(root, classes))


def _mirrored_name(name: str) -> str:
    """`front-left` becomes `front-right`; a name without a side stays."""
    words = name.replace("_", "-").replace(" ", "-").split("-")
    sides = [word for word in words if word.lower() in _SIDES]
    if len(sides) != 1:
        return name
    side = sides[0]
    other = _SIDES[side.lower()]
    return name.replace(side, other.upper() if side.isupper() else other.title() if side[0].isupper() else other)


def _classes(root: Path) -> tuple[str, ...]:
    folders = {entry.name for entry in (root / "train").iterdir() if entry.is_dir()}
    labels = root / "labels.txt"
    if not labels.exists():
        return tuple(sorted(folders))
    classes = tuple(line for line in labels.read_text(encoding="utf-8").splitlines() if line)
    if set(classes) != folders or len(set(classes)) != len(classes):
        odd = ", ".join(sorted(set(classes) ^ folders)) or "one stands twice"
        raise TrainingError(f"{labels} and the folders in train do not agree: {odd}", hint="make the split again")
    return classes


def _part(root: Path, name: str, classes: tuple[str, ...], known: Mapping[str, PhotoFacts]) -> Part:
    files: list[Path] = []
    targets: list[int] = []
    for target, class_name in enumerate(classes):
        folder = root / name / class_name
        found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES) if folder.is_dir() else []
        files += found
        targets += [target] * len(found)
    facts = tuple(known.get(file.relative_to(root).as_posix(), PhotoFacts()) for file in files) if known else ()
    return Part(name, tuple(files), tuple(targets), facts)


def _photo_facts(root: Path) -> dict[str, PhotoFacts]:
    file = root / "photos.jsonl"
    if not file.is_file():
        return {}
    known = {}
    with file.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                said = json.loads(line)
                known[said["file"]] = PhotoFacts(
                    said.get("view") or "",
                    said.get("source") or "",
                    int(said["width_px"]),
                    int(said["height_px"]),
                    _largest(said.get("boxes") or [], said["width_px"], said["height_px"]),
                )
            except (ValueError, KeyError, TypeError) as error:
                raise TrainingError(
                    f"line {number} of {file} makes no sense: {error!r}",
                    hint="make the split again, or delete the file",
                ) from None
    return known


def _largest(boxes: list[list[float]], width: int, height: int) -> Box | None:
    if not boxes or not width or not height:
        return None
    left, top, right, bottom = max(boxes, key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
    return left / width, top / height, right / width, bottom / height


def _class_facts(root: Path, classes: tuple[str, ...]) -> tuple[ClassFacts, ...]:
    file = root / "split.json"
    if not file.is_file():
        return ()
    try:
        said: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")).get("classes", {})
        facts = [said.get(name) or {} for name in classes]
        return tuple(ClassFacts(str(f.get("group") or ""), str(f.get("pair") or "")) for f in facts)
    except (ValueError, AttributeError) as error:
        raise TrainingError(
            f"{file} makes no sense: {error}", hint="make the split again, or delete the file"
        ) from None
