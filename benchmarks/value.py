"""What curation is worth: accuracy on clean drawn photos, trained on the gallery as found and as curated.

The test photos have no trouble and no copies in the gallery; a fifth of each brand, and never trained on.
Usage: python -m benchmarks.value
"""

import json
import random
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from sqlalchemy import select

from carharvest.blobs import BlobStore
from carharvest.catalog.placements import kept_photos
from carharvest.catalog.schema import PhotoRow, SightingRow
from carharvest.catalog.store import Catalog, open_catalog
from train_adapter.recipe import load_recipe
from train_adapter.train import Options, train

_SEEDS = (1, 2, 3)
Named = list[tuple[Path, str]]  # photo, class


def carharvest(root: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "carharvest", *arguments, "-w", str(root)], check=True, capture_output=True)


def held_out(truth: list[dict[str, object]]) -> set[int]:
    """Numbers of the gallery's photos that are tested on."""
    copied = {t["copy_of"] for t in truth}
    clean = defaultdict(list)
    for t in truth:
        if t["trouble"] is None and t["id"] not in copied:
            clean[t["brand"]].append(t["id"])
    rng = random.Random(5)
    return {n for numbers in clean.values() for n in rng.sample(numbers, max(1, len(numbers) // 5))}


def raw(catalog: Catalog, blobs: BlobStore) -> dict[int, tuple[Path, str]]:
    """Number in the gallery -> the photo and the brand that it was found under."""
    query = select(SightingRow.url, SightingRow.brand_asked, PhotoRow.sha256, PhotoRow.ext).join(PhotoRow)
    found = {}
    with catalog.reading() as session:
        for url, brand, sha256, ext in session.execute(query):
            match = re.search(r"/photos/(\d+)/", url)
            found[int(match[1])] = blobs.path(sha256, ext), brand
    return found


def lay_out(root: Path, learnt: Named, tested: Named) -> None:
    """An ImageFolder: an eighth of what is learnt from validates."""
    shuffled = sorted(learnt)
    random.Random(6).shuffle(shuffled)
    few = len(shuffled) // 8
    for part, photos in (("val", shuffled[:few]), ("train", shuffled[few:]), ("test", tested)):
        for number, (file, brand) in enumerate(photos):
            folder = root / part / brand
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{number:05d}{file.suffix}").hardlink_to(file)


def accuracies(root: Path, name: str, learnt: Named, tested: Named) -> list[float]:
    lay_out(root / name, learnt, tested)
    recipe = load_recipe("fast-cpu")
    found = []
    for seed in _SEEDS:
        result = train(
            root / name,
            recipe,
            root / f"run-{name}-{seed}",
            cache=root / "cache",
            seed=seed,
            options=Options(despite_leaks=True),
        )
        found.append(result["test_accuracy"])
    scores = ", ".join(f"{score:.3f}" for score in found)
    print(f"{name:8} {len(learnt):4} photos: {sum(found) / len(found):.3f} ({scores}) on {len(tested)}", flush=True)
    return found


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace = root / "datasets"
        carharvest(workspace, "scrape", "sample")
        carharvest(workspace, "normalize")
        truth = json.loads((workspace / "sample" / "truth.json").read_text())
        numbers = held_out(truth)
        brand_of = {t["id"]: t["brand"] for t in truth}
        blobs = BlobStore(workspace / "blobs")
        with open_catalog(workspace) as catalog:
            everything = raw(catalog, blobs)
            kept = {(blobs.path(k.sha256, k.ext), k.brand) for k in kept_photos(catalog)}
        tested = [(everything[n][0], str(brand_of[n])) for n in sorted(numbers)]
        unseen = {file for file, _ in tested}
        accuracies(root, "found", sorted({p for p in everything.values() if p[0] not in unseen}), tested)
        accuracies(root, "curated", sorted(p for p in kept if p[0] not in unseen), tested)
