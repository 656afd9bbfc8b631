"""How long all stages but those of the extra `vision` take over many photos, and what memory they need."""

import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from carharvest.brands import load_brands
from carharvest.catalog.intake import record
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.store import open_catalog
from carharvest.normalize.base import normalize
from carharvest.normalize.stages import all_stages
from carharvest.records import Candidate, Fetched, Fingerprint, WebAddress
from carharvest.settings import load_settings

PHOTOS = 10_000


def all_stages_over(count: int) -> None:
    rng = np.random.default_rng(2)
    with (
        tempfile.TemporaryDirectory() as name,
        open_catalog(Path(name), create=True) as catalog,
        recorded_run(catalog, "benchmark", {}, 0) as run,
    ):
        for start in range(0, count, 500):
            record(catalog, [_fetched(number, rng) for number in range(start, start + 500)], run.id)
        for which in ("first", "second"):
            started = time.perf_counter()
            normalize(catalog, stages(catalog), run_id=run.id)
            print(f"normalize of {count:,} photos, {which} run: {time.perf_counter() - started:.2f} s")
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


def stages(catalog):
    """Without those that look at thumbnails: these photos have none."""
    chosen = all_stages(load_settings(), load_brands(), catalog)
    return [s for s in chosen if s.name not in {"watermark", "content", "features", "audit", "diversity"}]


def _fetched(number: int, rng: np.random.Generator) -> Fetched:
    hashes = [int(h) for h in rng.integers(0, 2**64, 4, dtype=np.uint64)]
    print_ = Fingerprint(
        "JPEG", "jpg", 640, 480, 1, 1, *hashes, rng.bytes(32), rng.bytes(32),
        brightness=0.5, contrast=0.2, blur_var=500.0,
    )  # fmt: skip
    brand = ("BMW", "AUDI", "FIAT", "SKODA")[number % 4]
    candidate = Candidate(
        "test", WebAddress(f"http://x/{number}"), "car", brand, alt=f"Photo {number} of a {brand} car"
    )
    return Fetched(candidate, f"{number:064x}", 1000, print_)


if __name__ == "__main__":
    all_stages_over(PHOTOS)
