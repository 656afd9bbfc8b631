"""Copies that people make, found among real photos: imagededup's protocol, its PHash beside our stages.

Per original: a crop, the mirror image, upside down, turned by 25 degrees, another aspect. Pairs of one original are
true; what a tool puts together otherwise is false. Originals are vetted: of photos that share a shot, one is taken.
Usage: python -m benchmarks.duplicates [FOLDER WITH PHOTOS] [ORIGINALS]
"""

import hashlib
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks.workspace import Workspace

PROTOCOL = ("crop", "mirrored", "flipped", "turned", "aspect")
PEOPLE = ("recompressed", "half", "lighter", "watermarked", "bordered")
_COUNTERPARTS = Path(".venv-counterparts/bin/python")


def made(picture: Image.Image, how: str) -> Image.Image:
    """A copy as people make it. The crop is 560 x 420 of 640 x 480."""
    width, height = picture.size
    match how:
        case "crop":
            left, top = width // 16, height // 16
            return picture.crop((left, top, left + width * 7 // 8, top + height * 7 // 8))
        case "mirrored":
            return ImageOps.mirror(picture)
        case "flipped":
            return ImageOps.flip(picture)
        case "turned":
            return picture.rotate(25, expand=True, resample=Image.Resampling.BICUBIC)
        case "aspect":
            return picture.resize((width, height * 3 // 4), Image.Resampling.LANCZOS)
        case "half":
            return picture.resize((max(1, width // 2), max(1, height // 2)), Image.Resampling.LANCZOS)
        case "lighter":
            return ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(1.25)).enhance(0.85)
        case "watermarked":
            marked = picture.copy()
            place, size = (width // 2, height * 2 // 3), max(10, height // 9)
            ImageDraw.Draw(marked).text(place, "car-pics.example", fill="white", anchor="mm", font_size=size)
            return marked
        case "bordered":
            return ImageOps.expand(picture, border=max(4, height // 12), fill="white")
    return picture


def write_pictures(files: list[Path], kinds: tuple[str, ...], target: Path) -> None:
    target.mkdir()
    for number, file in enumerate(files):
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        picture.save(target / f"{number:04d}-original.jpg", quality=92)
        for kind in kinds:
            made(picture, kind).save(target / f"{number:04d}-{kind}.jpg", quality=60 if kind == "recompressed" else 90)


def vetted(folder: Path, count: int) -> list[Path]:
    """Photos drawn by chance, of those that no stage ties to another, loosely."""
    files = [f for f in sorted(folder.rglob("*")) if f.suffix.lower() in {".jpg", ".jpeg", ".png"}]
    drawn = random.Random(3).sample(files, min(len(files), 2 * count))
    with tempfile.TemporaryDirectory() as name:
        pictures = Path(name) / "pictures"
        pictures.mkdir()
        chosen, seen = {}, set()
        for number, file in enumerate(drawn):
            digest = hashlib.sha256(file.read_bytes()).digest()
            with Image.open(file) as opened:
                if digest in seen or min(opened.size) < 150:
                    continue
                seen.add(digest)
                chosen[f"{number:05d}.jpg"] = file
                opened.convert("RGB").save(pictures / f"{number:05d}.jpg", quality=92)
        workspace = Workspace(pictures, Path(name) / "workspace")
        workspace.run("hashes", "features")
        tied = {other for _, other in workspace.ties()}
    return [file for name, file in chosen.items() if name not in tied][:count]


def true_pairs(originals: int, kinds: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number in range(originals):
        yield from combinations(sorted(f"{number:04d}-{kind}.jpg" for kind in ("original", *kinds)), 2)


def report(title: str, found: set[tuple[str, str]], true: set[tuple[str, str]], seconds: float, photos: int) -> None:
    right = len(found & true)
    precision = right / len(found) if found else 1.0
    print(f"{title:42} precision {precision:.3f}  recall {right / len(true):.3f}  {photos / seconds:6.1f} photos/s")


def by_kind(found: set[tuple[str, str]], originals: int, kinds: tuple[str, ...]) -> str:
    parts = []
    for kind in kinds:
        pairs = [tuple(sorted((f"{n:04d}-original.jpg", f"{n:04d}-{kind}.jpg"))) for n in range(originals)]
        parts.append(f"{kind} {sum(pair in found for pair in pairs) / originals:.2f}")
    return ", ".join(parts)


def compare(originals: list[Path], kinds: tuple[str, ...]) -> None:
    true = set(true_pairs(len(originals), kinds))
    with tempfile.TemporaryDirectory() as name:
        pictures = Path(name) / "pictures"
        write_pictures(originals, kinds, pictures)
        photos = len(originals) * (1 + len(kinds))
        theirs: set[tuple[str, str]] = set()
        if _COUNTERPARTS.exists():
            script = ["benchmarks/counterparts/imagededup_phash.py", str(pictures), "10"]
            done = subprocess.run([str(_COUNTERPARTS), *script], capture_output=True, text=True, check=True)
            answer = json.loads(done.stdout)
            theirs = {(a, b) for a, b in answer["pairs"]}
            report("imagededup PHash, distance 10", theirs, true, answer["seconds"], photos)
            print("   of each kind:", by_kind(theirs, len(originals), kinds))
        workspace = Workspace(pictures, Path(name) / "workspace")
        seconds = workspace.harvest_s + workspace.run("hashes", "duplicates")
        report("ours, hashes alone, groups", workspace.groups(), true, seconds, photos)
        print("   of each kind:", by_kind(workspace.groups(), len(originals), kinds))
        seconds += workspace.run("features", "duplicates")
        report("ours, hashes and features, groups", workspace.groups(), true, seconds, photos)
        print("   of each kind:", by_kind(workspace.groups(), len(originals), kinds))
        copies = workspace.copies()
        print(f"   dropped as copies: {len(copies)}, of them {len(copies - true)} of another original")
        for pair in sorted(workspace.groups() - true)[:5]:
            numbers = [int(file[:4]) for file in pair]
            print("   put together wrongly:", *(originals[n].relative_to(originals[n].parents[2]) for n in numbers))


def hard_negatives(folder: Path) -> None:
    """All photos as they are: many of one model and colour, none (or few) twice. What is dropped is listed."""
    with tempfile.TemporaryDirectory() as name:
        workspace = Workspace(folder, Path(name) / "workspace")
        workspace.run("hashes", "features", "duplicates")
        copies, groups = workspace.copies(), workspace.groups()
        print(f"hard negatives: {len(workspace.name_of)} photos, {len(copies)} copies, {len(groups)} pairs in groups")
        for a, b in sorted(copies)[:20]:
            print("  ", a, b)


if __name__ == "__main__":
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/photos")
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 400
    photos = vetted(root / "brands", count)
    print(f"{len(photos)} vetted originals of {root / 'brands'}")
    print("\nimagededup's protocol")
    compare(photos, PROTOCOL)
    print("\nwhat else people do")
    compare(photos, PEOPLE)
    print()
    hard_negatives(root / "brands")
