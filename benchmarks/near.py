"""Near pairs of hashes: speed, memory and growth, faiss beside it, and a few new photos in a catalog of a million.

Usage: python -m benchmarks.near [--small]
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from benchmarks.growth import fill
from carharvest.brands import load_brands
from carharvest.catalog.intake import record
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.schema import StageMarkRow
from carharvest.catalog.store import open_catalog
from carharvest.normalize.base import normalize, stage_key
from carharvest.normalize.hamming import near_pairs
from carharvest.normalize.stages import all_stages
from carharvest.records import Candidate, Fetched, Fingerprint, WebAddress
from carharvest.settings import load_settings

_COUNTERPARTS = Path(".venv-counterparts/bin/python")


def hashes(count: int) -> np.ndarray:
    """Drawn by chance, one in fifty a bit away from another."""
    rng = np.random.default_rng(1)
    drawn = rng.integers(0, 2**64, count, dtype=np.uint64)
    few = count // 50
    drawn[:few] = drawn[few : 2 * few] ^ (np.uint64(1) << rng.integers(0, 64, few).astype(np.uint64))
    return drawn


def search(count: int, radius: int) -> float:
    drawn = hashes(count)
    started = time.perf_counter()
    found = len(near_pairs(drawn, None, radius))
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = f"{seconds:7.2f} s, {found:,} pairs, peak {peak:,.0f} MB"
    print(f"near_pairs of {count:>10,}, radius {radius}: {told}", flush=True)
    return seconds


def beside_faiss(count: int, radius: int) -> None:
    if not _COUNTERPARTS.exists():
        return
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "hashes.npy"
        np.save(file, hashes(count))
        script = ["benchmarks/counterparts/faiss_pairs.py", str(file), str(radius)]
        done = subprocess.run([str(_COUNTERPARTS), *script], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout)
    ours = search(count, radius)
    told = f"{theirs['seconds']:.2f} s, {theirs['pairs']:,} pairs: {theirs['seconds'] / ours:.1f} x ours"
    print(f"faiss IndexBinaryFlat: {told}", flush=True)


def incremental(known: int, new: int) -> None:
    """The stages `hashes` and `duplicates` after new photos came to a catalog in which all others were compared."""
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name), known)
        rng = np.random.default_rng(2)
        with open_catalog(Path(name)) as catalog, recorded_run(catalog, "benchmark", {}, 0) as run:
            names = {"hashes", "duplicates"}
            stages = [s for s in all_stages(load_settings(), load_brands(), catalog) if s.name in names]
            with catalog.writing() as session:
                marks = [
                    {"stage": s.name, "key": stage_key(catalog, s, ()), "last_sighting_id": known, "changes": 0,
                     "run_id": run.id}
                    for s in stages
                ]  # fmt: skip
                session.execute(insert(StageMarkRow), marks)
            for start in range(0, new, 500):
                record(catalog, [_fetched(known + start + n, rng) for n in range(500)], run.id)
            for stage in ("hashes", "duplicates"):
                started = time.perf_counter()
                (summary,) = normalize(catalog, stages, run_id=run.id, only=[stage])
                seconds = time.perf_counter() - started
                print(f"{new:,} new photos among {known:,}: {stage} {seconds:.2f} s, {summary.looked_at:,} looked at")


def _fetched(number: int, rng: np.random.Generator) -> Fetched:
    drawn = [int(h) for h in rng.integers(0, 2**64, 4, dtype=np.uint64)]
    print_ = Fingerprint(
        "JPEG", "jpg", 640, 480, 1, 1, *drawn, rng.bytes(32), rng.bytes(32),
        brightness=0.5, contrast=0.2, blur_var=500.0,
    )  # fmt: skip
    candidate = Candidate("test", WebAddress(f"http://x/{number}"), "car", "BMW")
    return Fetched(candidate, f"{10**9 + number:064x}", 1000, print_)


if __name__ == "__main__":
    small = "--small" in sys.argv
    few = search(100_000, 6)
    beside_faiss(100_000, 6)
    many = search(1_000_000, 6)
    print(f"growth from 100,000 to 1,000,000: {many / few:.1f} x")
    if not small:
        search(10_000_000, 4)
        incremental(1_000_000, 1000)
