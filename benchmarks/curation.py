"""What the stages find, and how fast: content, audit, watermarks on real and drawn photos, and brands in hard names.

Usage: python -m benchmarks.curation [FOLDER WITH PHOTOS]
"""

import random
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.workspace import Workspace
from carharvest.blobs import BlobStore
from carharvest.brands import load_brands
from carharvest.harvest.fingerprint import decode
from carharvest.normalize.audit import out_of_fold, suspicious
from carharvest.normalize.network import Embeddings
from carharvest.normalize.overlay import overlay
from carharvest.sample.gallery import item_bytes, plan_gallery

_NAMES = Path("tests/data/hard_names.tsv")
_HELD_OUT = "# written after"


def brands() -> None:
    mapping = load_brands()
    right = found = true = 0
    for line in _NAMES.read_text(encoding="utf-8").splitlines():
        if line.startswith(_HELD_OUT):
            print(f"brands, names the mapping was made with: precision {right / found:.3f} recall {right / true:.3f}")
            right = found = true = 0
        elif line and not line.startswith("#"):
            text, wanted = line.split("\t")
            named, expected = {m.brand for m in mapping.find(text)}, set(wanted.split("|")) - {"-"}
            right, found, true = right + len(named & expected), found + len(named), true + len(expected)
    print(f"brands, names written after it: precision {right / found:.3f} recall {right / true:.3f}")
    rng = random.Random(1)
    all_brands = list(mapping.brands.values())
    names = [f"{rng.choice(all_brands).name} model {n} 2013 red car for sale in town" for n in range(100_000)]
    started = time.perf_counter()
    for name in names:
        mapping.find(name)
    print(f"brands: 100,000 names in {time.perf_counter() - started:.2f} s")


def content(root: Path, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(root / name, Path(folder))
        seconds = workspace.run("content")
        said = workspace.said()
        photos = len(workspace.name_of)
        dropped = len(said["logo"] | said["no-car"])
        print(
            f"content, {name}: {photos} photos, {len(said['logo'])} logos, {len(said['no-car'])} without a car, "
            f"{len(said['car-part'])} parts: {dropped / photos:.1%} dropped, {photos / seconds:.0f} photos/s"
        )


def audit(root: Path) -> None:
    """A tenth of the labels flipped, for five seeds."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(root / "harvested", Path(folder))
        workspace.run("names", "brands", "quality", "hashes", "duplicates")
        with workspace.catalog.reading() as session:
            rows = session.connection().exec_driver_sql(
                "SELECT p.sha256, l.value FROM photos p JOIN labels l ON l.photo_id = p.id AND l.kind = 'brand' "
                "WHERE p.id NOT IN (SELECT photo_id FROM verdicts WHERE NOT keep) ORDER BY p.id"
            )
            hashes, labels = zip(*[tuple(row) for row in rows], strict=True)
        embeddings = Embeddings(BlobStore(Path(folder) / "thumbs"), Path(folder) / "cache").of(hashes)
    given = np.array([int(label == "BMW") for label in labels])
    found = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        flipped = np.zeros(len(given), dtype=bool)
        flipped[rng.choice(len(given), len(given) // 10, replace=False)] = True
        noisy = np.where(flipped, 1 - given, given)
        suspects = suspicious(out_of_fold(embeddings, noisy, seed), noisy)
        right = (suspects & flipped).sum()
        found.append((right / flipped.sum(), right / suspects.sum()))
    recall, precision = np.array(found).T
    print(
        f"audit, {len(given)} photos, a tenth flipped, seeds 0-4: recall {recall.mean():.2f} "
        f"({recall.min():.2f}-{recall.max():.2f}), precision {precision.mean():.2f} "
        f"({precision.min():.2f}-{precision.max():.2f})"
    )


def watermarks() -> None:
    items = plan_gallery()
    hits = {True: [], False: []}
    started = time.perf_counter()
    seconds = 0.0
    for item in items:
        if item.trouble in {"truncated", "logo"}:
            continue  # no photo; and a logo is letters by itself
        thumbnail = decode(item_bytes(items, item), max_pixels=10**8).thumbnail
        started = time.perf_counter()
        over = overlay(thumbnail)
        seconds += time.perf_counter() - started
        hits[item.trouble == "watermark"].append(over is not None and (over.letters >= 6 or over.banner > 0))
    print(
        f"watermark, gallery: {np.mean(hits[True]):.1%} of {len(hits[True])} found, "
        f"{np.mean(hits[False]):.1%} of {len(hits[False])} others, {1000 * seconds / len(items):.1f} ms a photo"
    )


if __name__ == "__main__":
    brands()
    watermarks()
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/photos")
    for name in ("harvested", "stanford", "leaky", "not_cars"):
        content(root, name)
    audit(root)
