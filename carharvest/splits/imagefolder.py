"""Writes a split as an ImageFolder with its evidence, all of it or nothing."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from carharvest.blobs import BlobStore
from carharvest.errors import DiskFull
from carharvest.records import PARTS, Placed, Sighting
from carharvest.splits.attribution import as_table, credits_of

# What torchvision's ImageFolder loads (torchvision.datasets.folder.IMG_EXTENSIONS); anything else becomes a JPEG.
LOADABLE = {"jpg", "png", "bmp", "tif", "webp"}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """How the files of an ImageFolder came to be."""

    linked: int = 0
    copied: int = 0
    converted: int = 0


def exported_name(placed: Placed) -> str:
    """The file name of a placed photo: random, with the extension of its content."""
    ext = placed.photo.ext if placed.photo.ext in LOADABLE else "jpg"
    return f"{placed.photo.file_name}.{ext}"


def write_imagefolder(
    target: Path,
    placed: Sequence[Placed],
    sightings: Mapping[int, Sighting],
    description: Mapping[str, Any],
    blobs: BlobStore,
    progress: Callable[[int], None] = lambda done: None,
) -> ExportSummary:
    """Makes `target/{train,val,test}/CLASS/<random>.jpg`, labels.txt, split.json and ATTRIBUTION.csv.

    It is written beside and renamed at the end; what stood at `target` before is replaced. Raises DiskFull.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        draft.chmod(0o755)
        summary = _write_photos(draft, placed, blobs, progress)
        classes = sorted({p.class_name for p in placed})
        (draft / "labels.txt").write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        text = json.dumps(description, indent=2, ensure_ascii=False, sort_keys=True)
        (draft / "split.json").write_text(text + "\n", encoding="utf-8")
        files = ((f"{p.part}/{p.class_name}/{exported_name(p)}", p.photo) for p in placed)
        as_table(credits_of(files, sightings)).to_csv(draft / "ATTRIBUTION.csv", index=False)
        _put_in_place(draft, target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno in _NO_ROOM:
            raise DiskFull(
                f"no room left on the disk of {target}", hint="make space and run the same command again"
            ) from error
        raise
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return summary


def _write_photos(
    draft: Path, placed: Sequence[Placed], blobs: BlobStore, progress: Callable[[int], None]
) -> ExportSummary:
    for part in PARTS:
        (draft / part).mkdir()
    for part, class_name in sorted({(p.part, p.class_name) for p in placed}):
        (draft / part / class_name).mkdir()
    linked = copied = converted = 0
    for done, p in enumerate(placed, start=1):
        blob = blobs.path(p.photo.sha256, p.photo.ext)
        file = draft / p.part / p.class_name / exported_name(p)
        if p.photo.ext not in LOADABLE:
            _convert(blob, file)
            converted += 1
        elif _link(blob, file):
            linked += 1
        else:
            shutil.copyfile(blob, file)
            copied += 1
        if done % 100 == 0 or done == len(placed):
            progress(done)
    return ExportSummary(linked, copied, converted)


def _link(blob: Path, file: Path) -> bool:
    try:
        os.link(blob, file)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        return False  # another disk, or one without links
    return True


def _convert(blob: Path, file: Path) -> None:
    with Image.open(blob) as image:
        image.seek(0)
        ImageOps.exif_transpose(image).convert("RGB").save(file, "JPEG", quality=95)


def _put_in_place(draft: Path, target: Path) -> None:
    if not target.exists():
        draft.rename(target)
        return
    old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
    target.rename(old / target.name)
    draft.rename(target)
    shutil.rmtree(old)
