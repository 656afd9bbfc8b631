"""How fast a folder is harvested, beside the bare reduced decode of the same photos in the same run."""

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from carharvest.blobs import BlobStore
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.store import open_catalog
from carharvest.engine import local_threads
from carharvest.harvest.fingerprint import decode, draft_size
from carharvest.harvest.http import Fetcher
from carharvest.harvest.loop import Intake, harvest
from carharvest.records import Query
from carharvest.settings import load_settings
from carharvest.sources.folder import FolderSource

PHOTOS = 1000


def make_photos(folder: Path) -> list[Path]:
    """JPEGs of 1,250 x 950, about 100 KB, all different."""
    rng = np.random.default_rng(1)
    files = []
    for number in range(PHOTOS):
        rough = Image.fromarray(rng.integers(0, 255, (48, 62, 3), dtype=np.uint8))
        file = folder / "bmw" / f"{number:05}.jpg"
        rough.resize((1250, 950), Image.Resampling.BICUBIC).save(file, quality=88)
        files.append(file)
    return files


def rate(what: str, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{what:52} {PHOTOS / seconds:8.0f} photos/s")
    return PHOTOS / seconds


def bare_decode(files: list[Path]) -> None:
    for file in files:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            image.draft("RGB", draft_size(*image.size))
            image.load()


def main() -> None:
    settings = load_settings()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "photos" / "bmw").mkdir(parents=True)
        files = make_photos(root / "photos")
        size = sum(file.stat().st_size for file in files) / PHOTOS / 1000
        print(f"{PHOTOS} JPEGs, 1250 x 950, {size:.0f} KB each")
        bare = rate("Pillow's bare reduced decode, one thread", lambda: bare_decode(files))
        one = rate(
            "fingerprint (decode, hashes, thumbnail), one thread",
            lambda: [decode(file.read_bytes(), max_pixels=10**8) for file in files],
        )
        intake = Intake(Fetcher(10**8, 30, "benchmark"), BlobStore(root / "b"), BlobStore(root / "t"), 10**8)
        workers = settings.harvest.workers
        source = FolderSource(root / "photos")
        with open_catalog(root / "w", create=True) as catalog, local_threads(workers) as executor:

            def run() -> None:
                with recorded_run(catalog, "benchmark", {}, 0) as recorded:
                    candidates = source.candidates(Query(""), limit=None)
                    harvest(candidates, catalog, intake, executor, run_id=recorded.id, in_flight=4 * workers)

            whole = rate(f"harvest, durable, into the catalog, {workers} threads", run)
            rate("the same again: all known", run)
        print(f"fingerprint / bare decode {one / bare:.2f}, harvest / bare decode {whole / bare:.2f}")


if __name__ == "__main__":
    main()
