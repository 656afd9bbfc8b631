"""What stands beside the pictures of an export: split.json, photos.jsonl, labels.txt, ATTRIBUTION.csv."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from carharvest import __version__
from carharvest.brands import BrandMapping
from carharvest.records import PARTS, KeptPhoto, Origin, Placed
from carharvest.splits.attribution import COLUMNS, credits_of, rows_of
from carharvest.splits.classes import OTHER
from carharvest.splits.plan import SplitPlan
from carharvest.splits.render import Rendering, boxes_in, exported_ext, frame_of

_CHUNK = 1000

Credited = Callable[[Sequence[int]], Mapping[int, Origin]]
FileOf = Callable[[Placed], str]  # where an export has a photo's file


def file_in_folders(placed: Placed, rendering: Rendering) -> str:
    """Where an ImageFolder has the photo: `train/BMW/0f3a….jpg`."""
    return f"{placed.part}/{placed.class_name}/{placed.photo.file_name}.{exported_ext(placed.photo, rendering)}"


def digest(placed: Sequence[Placed], plan: SplitPlan, rendering: Rendering) -> str:
    """The same for two splits that put the same photos in the same places in the same form."""
    told = hashlib.sha256(json.dumps([plan.as_json(), asdict(rendering)], sort_keys=True).encode())
    for p in placed:
        told.update(f"\n{p.part}/{p.class_name}/{p.photo.sha256}".encode())
    return told.hexdigest()


def describe(
    name: str,
    plan: SplitPlan,
    rendering: Rendering,
    placed: Sequence[Placed],
    mapping: BrandMapping,
    left_out: Mapping[str, int],
    stated: str,
) -> dict[str, Any]:
    """The content of split.json: how to make it again, and what a trainer may know of its classes.

    `stated` is its digest.
    """
    brands: dict[str, str] = {}
    for p in placed:
        brands.setdefault(p.class_name, p.photo.brand)
    known = {c: _known_of(brand if plan.by in {"brand", "model", "brand+view"} and c != OTHER else "", mapping)
             for c, brand in sorted(brands.items())}  # fmt: skip
    return {
        "name": name,
        "made_by": f"carharvest {__version__}",
        "plan": plan.as_json(),
        "pictures": asdict(rendering),
        "classes": known,
        "counts": counts(placed),
        "left_out": dict(left_out),
        "digest": stated,
    }


def counts(placed: Sequence[Placed]) -> dict[str, dict[str, int]]:
    """Photos by class and part."""
    found = Counter((p.class_name, p.part) for p in placed)
    classes = sorted({p.class_name for p in placed})
    return {class_name: {part: found[class_name, part] for part in PARTS} for class_name in classes}


def facts(placed: Placed, file: str, rendering: Rendering) -> dict[str, Any]:
    """What is known of one picture of an export; sizes and boxes are those of the exported picture."""
    photo = placed.photo
    frame = frame_of(photo, rendering)
    return {
        "file": file,
        "part": placed.part,
        "class": placed.class_name,
        "sha256": photo.sha256,
        "brand": photo.brand,
        "model": photo.model,
        "year": photo.year,
        "view": photo.view,
        "group": photo.group_key,
        "width_px": frame.width_px,
        "height_px": frame.height_px,
        "boxes": [[b.left_px, b.top_px, b.right_px, b.bottom_px] for b in boxes_in(frame, photo)],
        "source": photo.source,
        "license": photo.license,
    }


def write_evidence(
    root: Path, placed: Sequence[Placed], file_of: FileOf, rendering: Rendering, credited: Credited
) -> None:
    """labels.txt, photos.jsonl (a line a picture) and ATTRIBUTION.csv, a thousand photos in memory at a time."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    classes = sorted({p.class_name for p in placed})
    (root / "labels.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
    with (
        (root / "photos.jsonl").open("w", encoding="utf-8") as lines,
        (root / "ATTRIBUTION.csv").open("w", encoding="utf-8", newline="") as table,
    ):
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        for start in range(0, len(placed), _CHUNK):
            chunk = placed[start : start + _CHUNK]
            for p in chunk:
                lines.write(encode(facts(p, file_of(p), rendering)) + "\n")
            files: Iterator[tuple[str, KeptPhoto]] = ((file_of(p), p.photo) for p in chunk)
            writer.writerows(rows_of(credits_of(files, credited([p.photo.id for p in chunk]))))


def write_json(file: Path, value: Any) -> None:
    """As split.json is written: for people, and the same for the same."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True)
    file.write_text(text + "\n", encoding="utf-8")


def _known_of(key: str, mapping: BrandMapping) -> Mapping[str, Any]:
    brand = mapping.brands.get(key)
    if brand is None:
        return {}
    return {
        "name": brand.name,
        "group": brand.group,
        "country": brand.country,
        "tier": brand.tier,
        "pair": brand.pair,
        "rare": brand.rare,
    }
