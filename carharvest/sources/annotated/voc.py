"""PASCAL VOC (VOC2012 development kit): one XML file a picture in Annotations/, pictures in JPEGImages/."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lxml import etree

from carharvest.errors import BadAnnotations
from carharvest.records import PARTS, Annotation, Part, SaidBox
from carharvest.sources.annotated.base import AnnotatedPicture, number

_LEAST = 1  # pixels are counted from 1


@dataclass(frozen=True, slots=True)
class Voc:
    """A folder with Annotations/ (or XML files beside the pictures), JPEGImages/ and, perhaps, ImageSets/Main/."""

    root: Path
    name: str = "voc"

    @property
    def pictures_root(self) -> Path:
        return self.root

    def pictures(self) -> Iterator[AnnotatedPicture]:
        folder = self.root / "Annotations"
        files = sorted((folder if folder.is_dir() else self.root).rglob("*.xml"))
        if not files:
            raise BadAnnotations(f"{self.root} has no .xml", hint="name the folder that holds Annotations/")
        part_of = self._parts()
        for file in files:
            yield self._picture(file, part_of.get(file.stem))

    def _parts(self) -> dict[str, Part]:
        found: dict[str, Part] = {}
        for part in PARTS:
            listed = self.root / "ImageSets" / "Main" / f"{part}.txt"
            if listed.is_file():
                lines = listed.read_text(encoding="utf-8", errors="replace").splitlines()
                found |= {line.split()[0]: part for line in lines if line.strip()}
        return found

    def _picture(self, file: Path, part: Part | None) -> AnnotatedPicture:
        # No entities, no network, no DTD: the file is a stranger's.
        parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
        try:
            top = etree.fromstring(file.read_bytes(), parser)
        except (OSError, etree.XMLSyntaxError) as error:
            raise BadAnnotations(f"{file} is no XML: {error}", hint="mend it there") from None
        boxes, classes = [], []
        for place, thing in enumerate(top.findall("object"), start=1):
            class_name = (thing.findtext("name") or "").strip()
            if class_name and class_name not in classes:
                classes.append(class_name)
            corners = thing.find("bndbox")
            if corners is not None:
                where = f"{file.name}, object {place}"
                x1, y1, x2, y2 = (number(corners.findtext(side), where) for side in ("xmin", "ymin", "xmax", "ymax"))
                boxes.append(SaidBox(x1 - _LEAST, y1 - _LEAST, x2, y2, "px", class_name))
        width, height = top.findtext("size/width") or "", top.findtext("size/height") or ""
        return AnnotatedPicture(
            self._place_of(file, (top.findtext("filename") or "").strip()),
            Annotation(
                tuple(classes),
                part=part,
                boxes=tuple(boxes),
                width_px=int(width) if width.isdecimal() and int(width) else None,
                height_px=int(height) if height.isdecimal() and int(height) else None,
            ),
        )

    def _place_of(self, file: Path, named: str) -> str:
        """In JPEGImages, beside the XML, or at the top; under the name that it says, else under its own."""
        beside = file.parent.relative_to(self.root).as_posix()
        names = [name for name in (named, f"{file.stem}.jpg", f"{file.stem}.png") if name]
        places = [f"{f}/{name}" if f else name for name in names for f in ("JPEGImages", beside, "images", "")]
        return next((p for p in places if ".." not in p and (self.root / p).is_file()), places[0])
