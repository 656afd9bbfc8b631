"""How fast and with how much memory a split is written; bare hard links and split-folders' copy beside it.

Usage: python -m benchmarks.splits [--photos 100000]
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from carharvest.blobs import BlobStore
from carharvest.catalog.intake import record
from carharvest.catalog.opinions import Looked, StageMark, save_opinions
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.store import open_catalog
from carharvest.records import Candidate, Fetched, Fingerprint, Label, WebAddress

_BRANDS = ("AUDI", "BMW", "FIAT", "FORD", "HONDA", "KIA", "OPEL", "SKODA", "TOYOTA", "VOLVO")
_BYTES = 99_000  # of a made photo, as of a real one; its content is of no importance to links and copies
_COUNTERPARTS = Path(".venv-counterparts/bin/python")


def fill(workspace: Path, count: int) -> None:
    """A workspace of so many kept photos, and a folder of classes with the same files for others to split."""
    rng = np.random.default_rng(3)
    blobs = BlobStore(workspace / "blobs")
    for brand in _BRANDS:
        (workspace / "classes" / brand).mkdir(parents=True)
    with open_catalog(workspace, create=True) as catalog, recorded_run(catalog, "benchmark", {}, 0) as run:
        for start in range(0, count, 1000):
            numbers = range(start, min(count, start + 1000))
            record(catalog, [_fetched(number, rng) for number in numbers], run.id)
            labels = [
                Label(number + 1, kind, value, "benchmark")
                for number in numbers
                for kind, value in (("brand", _BRANDS[number % 10]), ("file_name", rng.bytes(16).hex()))
            ]
            ids = [number + 1 for number in numbers]
            save_opinions(catalog, "rename", Looked(ids, labels, StageMark("1", numbers[-1] + 1)), run.id)
            data = rng.bytes(_BYTES)
            for number in numbers:
                path = blobs.put(data, f"{number:064x}", "jpg", durable=False)
                os.link(path, workspace / "classes" / _BRANDS[number % 10] / f"{number}.jpg")


def _fetched(number: int, rng: np.random.Generator) -> Fetched:
    hashes = [int(h) for h in rng.integers(0, 2**64, 4, dtype=np.uint64)]
    print_ = Fingerprint(
        "JPEG", "jpg", 640, 480, 1, 1, *hashes, rng.bytes(32), rng.bytes(32),
        brightness=0.5, contrast=0.2, blur_var=500.0,
    )  # fmt: skip
    place = WebAddress(f"https://photos.example/{number}.jpg")
    page = f"https://photos.example/{number}"
    candidate = Candidate(
        "pexels", place, "car", "BMW", author=f"Author {number % 997}", license="pexels", page_url=page
    )
    return Fetched(candidate, f"{number:064x}", _BYTES, print_)


def ours(workspace: Path, *options: str) -> float:
    """Seconds of the whole command."""
    command = [sys.executable, "-m", "carharvest", "split", "--workspace", str(workspace), "--quiet", *options]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def peak_mb(workspace: Path, *options: str) -> float:
    """Peak memory of the command."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    command = [sys.executable, "-m", "carharvest", "split", "--workspace", str(workspace), "--quiet", *options]
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    return float(done.stdout)


def bare_links(workspace: Path, target: Path) -> float:
    files = [str(path) for path in BlobStore(workspace / "blobs")]
    target.mkdir()
    started = time.perf_counter()
    for number, file in enumerate(files):
        os.link(file, f"{target}/{number}.jpg")
    return time.perf_counter() - started


def split_folders(workspace: Path, target: Path) -> float | None:
    if not _COUNTERPARTS.exists():
        return None
    script = ["benchmarks/counterparts/splitfolders_copy.py", str(workspace / "classes"), str(target)]
    done = subprocess.run([str(_COUNTERPARTS), *script], capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def compare(count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        few, many = Path(name) / "few", Path(name) / "many"
        fill(few, count // 10)
        fill(many, count)
        print(f"{count:,} photos of {_BYTES:,} bytes")
        mine = ours(many)
        print(f"carharvest split, the whole command: {mine:.1f} s, {count / mine:,.0f}/s")
        print(f"  of {count // 10:,} photos: {ours(few):.1f} s")
        print(f"  again, unchanged: {ours(many):.1f} s")
        peaks = [peak_mb(workspace, "--name", "b") for workspace in (few, many)]
        print(f"  peak memory: {peaks[0]:.0f} MB of {count // 10:,}, {peaks[1]:.0f} MB of {count:,}")
        bare = bare_links(many, Path(name) / "links")
        print(f"bare hard links: {bare:.2f} s, {count / bare:,.0f}/s; of ours {bare / mine:.2f}")
        shutil.rmtree(Path(name) / "links")
        theirs = split_folders(many, Path(name) / "theirs")
        if theirs is not None:
            rate = count / theirs
            print(f"split-folders' copy: {theirs:.1f} s, {rate:,.0f}/s; ours is {theirs / mine:.1f} times as fast")
        copied = ours(many, "--name", "copied", "--copy")
        print(f"carharvest split --copy: {copied:.1f} s, {count / copied:,.0f}/s")
    print(f"peak memory of the benchmark itself: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--photos", type=int, default=100_000)
    compare(parser.parse_args().photos)
