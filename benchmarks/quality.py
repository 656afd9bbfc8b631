"""cleanvision beside our stages, on drawn photos of which it is known what is wrong with each.

Usage: python -m benchmarks.quality
"""

import io
import json
import random
import subprocess
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageFilter, ImageOps

from benchmarks.workspace import Workspace
from carharvest.sample.gallery import item_bytes, plan_gallery

_COUNTERPARTS = Path(".venv-counterparts/bin/python")
_EACH = 30  # photos with each trouble
_SEED = 7

# The name of a trouble in our verdicts and in cleanvision's table.
NAMES = {
    "dark": ("dark", "dark"),
    "bright": ("bright", "light"),
    "blurred": ("blurred", "blurry"),
    "flat": ("low-information", "low_information"),
    "grey": ("grey", "grayscale"),
    "odd-aspect": ("odd-aspect", "odd_aspect_ratio"),
    "tiny": ("too-small", "odd_size"),
    "near-copy": ("", "near_duplicates"),
    "exact-copy": ("", "exact_duplicates"),
}


def dark(picture: Image.Image, rng: random.Random) -> Image.Image:
    return Image.blend(picture, Image.new("RGB", picture.size), rng.uniform(0.88, 0.95))


def bright(picture: Image.Image, rng: random.Random) -> Image.Image:
    return Image.blend(picture, Image.new("RGB", picture.size, "white"), rng.uniform(0.92, 0.97))


def blurred(picture: Image.Image, rng: random.Random) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(rng.uniform(7, 10)))


def flat(picture: Image.Image, rng: random.Random) -> Image.Image:
    colours = [tuple(rng.randint(60, 200) for _ in range(3)) for _ in range(2)]
    plain = Image.new("RGB", picture.size, colours[0])
    plain.paste(colours[1], (0, picture.height // 2, picture.width, picture.height))
    return plain


def grey(picture: Image.Image, rng: random.Random) -> Image.Image:
    return ImageOps.grayscale(picture)


def strip(picture: Image.Image, rng: random.Random) -> Image.Image:
    height = picture.width // 8
    top = (picture.height - height) // 2
    return picture.crop((0, top, picture.width, top + height)).resize((picture.width * 2, height * 2))


def tiny(picture: Image.Image, rng: random.Random) -> Image.Image:
    small = picture.copy()
    small.thumbnail((72, 72))
    return small


def near(picture: Image.Image, rng: random.Random) -> Image.Image:
    return picture.resize((int(picture.width * 0.7), int(picture.height * 0.7)), Image.Resampling.LANCZOS)


MAKERS: dict[str, Callable[[Image.Image, random.Random], Image.Image]] = {
    "dark": dark, "bright": bright, "blurred": blurred, "flat": flat, "grey": grey, "odd-aspect": strip, "tiny": tiny,
    "near-copy": near,
}  # fmt: skip


def draw(folder: Path) -> dict[str, set[str]]:
    """Writes the photos; trouble -> the names of the files that have it (of copies, the originals too)."""
    folder.mkdir()
    rng = random.Random(_SEED)
    items = plan_gallery(_SEED)
    clean = [item for item in items if item.trouble is None]
    rng.shuffle(clean)
    truth: dict[str, set[str]] = defaultdict(set)
    for number, item in enumerate(clean):
        (folder / f"{number:04d}.jpg").write_bytes(item_bytes(items, item))
    used = iter(range(len(clean)))
    for trouble, make in MAKERS.items():
        for _ in range(_EACH):
            number = next(used)
            file = folder / f"{number:04d}.jpg"
            with Image.open(io.BytesIO(file.read_bytes())) as picture:
                changed = make(picture.convert("RGB"), rng)
            name = f"{number:04d}-near.jpg" if trouble == "near-copy" else file.name
            changed.save(folder / name, quality=60 if trouble == "near-copy" else 90)
            truth[trouble] |= {name, file.name}
    for _ in range(_EACH):
        name = f"{next(used):04d}"
        (folder / f"{name}-again.jpg").write_bytes((folder / f"{name}.jpg").read_bytes())
        truth["exact-copy"] |= {f"{name}.jpg", f"{name}-again.jpg"}
    return truth


def ours(folder: Path, root: Path) -> tuple[dict[str, set[str]], float]:
    workspace = Workspace(folder, root)
    seconds = workspace.harvest_s + workspace.run("quality", "hashes", "duplicates")
    said = workspace.said()
    found = {trouble: said[names[0]] for trouble, names in NAMES.items() if names[0]}
    found["near-copy"] = {name for pair in workspace.copies() for name in pair}
    found["exact-copy"] = {name for names in workspace.files.values() if len(names) > 1 for name in names}
    return found, seconds


def theirs(folder: Path) -> tuple[dict[str, set[str]], float] | None:
    if not _COUNTERPARTS.exists():
        return None
    script = ["benchmarks/counterparts/cleanvision_issues.py", str(folder)]
    done = subprocess.run([str(_COUNTERPARTS), *script], capture_output=True, text=True, check=True)
    answer = json.loads(done.stdout[done.stdout.index("{") :])
    issues = {name: set(files) for name, files in answer["issues"].items()}
    return {trouble: issues.get(names[1], set()) for trouble, names in NAMES.items()}, answer["seconds"]


def f1(found: set[str], true: set[str]) -> float:
    right = len(found & true)
    return 2 * right / (len(found) + len(true)) if found or true else 1.0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "pictures"
        truth = draw(folder)
        count = len(list(folder.iterdir()))
        started = time.perf_counter()
        mine, seconds = ours(folder, Path(name) / "workspace")
        other = theirs(folder)
        print(
            f"{count} photos; ours {count / seconds:.0f}/s"
            + (f", cleanvision {count / other[1]:.0f}/s" if other else "")
        )
        for trouble, true in truth.items():
            beside = f"  cleanvision {f1(other[0][trouble], true):.3f}" if other else ""
            print(f"{trouble:12} F1 ours {f1(mine[trouble], true):.3f}{beside}")
