"""Whether a harvest and its catalog stay light as they grow: memory, known URLs, and status of a million photos."""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from sqlalchemy import insert

from benchmarks.nginx import served
from carharvest.blobs import BlobStore
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.schema import (
    FailureRow,
    GroupRow,
    LabelRow,
    MemberRow,
    PhotoRow,
    SightingRow,
    StageMarkRow,
    VerdictRow,
)
from carharvest.catalog.stock import opinions_changed
from carharvest.catalog.store import open_catalog
from carharvest.catalog.story import status
from carharvest.engine import cores, local_processes
from carharvest.harvest.http import Fetcher
from carharvest.harvest.keep import Stores
from carharvest.harvest.loop import harvest
from carharvest.records import Candidate, WebAddress

FEW, MANY = 10_000, 100_000
MILLION = int(os.environ.get("BENCH_CATALOG", "1000000"))


def bring(origin: str, workspace: Path, count: int) -> dict[str, float]:
    """Harvests so many addresses of 200 small pictures, and again; runs in a process of its own, for its peak."""
    fetcher = Fetcher(10**8, 30, "benchmark", trusted_origins=frozenset({origin}))
    stores = Stores(BlobStore(workspace / "blobs"), BlobStore(workspace / "thumbs"), 10**8, 10**8)
    told = {}
    with (
        open_catalog(workspace, create=True) as catalog,
        local_processes(cores(), ("carharvest.harvest.keep",)) as executor,
    ):
        for which in ("new", "known"):
            with recorded_run(catalog, "bench", {}, 0) as run:
                candidates = (
                    Candidate("bench", WebAddress(f"{origin}/{n % 200}.jpg?n={n}"), "car", "BMW") for n in range(count)
                )
                summary = harvest(candidates, catalog, fetcher, stores, executor, run_id=run.id)
                told[which] = count / summary.seconds
                told["failed"] = summary.failed
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told["workers_mb"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return told


def growth() -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        photos = root / "photos"
        photos.mkdir()
        rng = np.random.default_rng(1)
        from PIL import Image

        for number in range(200):
            picture = rng.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            Image.fromarray(picture).resize((64, 48)).save(photos / f"{number}.jpg")
        told = {}
        with served(photos) as origin:
            for count in (FEW, MANY):
                command = [sys.executable, "-m", "benchmarks.growth", origin, str(root / str(count)), str(count)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                told[count] = json.loads(done.stdout)
                t = told[count]
                print(
                    f"{count:>9,} candidates: {t['new']:,.0f}/s new, {t['known']:,.0f}/s known, {t['failed']} failed, "
                    f"peak {t['peak_mb']:.0f} MB",
                    flush=True,
                )
        print(f"peak of {MANY:,} / peak of {FEW:,}: {told[MANY]['peak_mb'] / told[FEW]['peak_mb']:.2f}")


def fill(workspace: Path, photos: int) -> None:
    """A catalog as after a harvest and normalize: a brand each, a tenth dropped, a tenth in groups, some failures."""
    now = datetime.now(UTC)
    rng = np.random.default_rng(3)
    brands = [f"BRAND {number}" for number in range(60)]
    with open_catalog(workspace, create=True) as catalog, recorded_run(catalog, "bench", {}, 0) as run:
        for start in range(0, photos, 20_000):
            ids = range(start + 1, min(start + 20_000, photos) + 1)
            hashes = rng.integers(0, 2**63, len(ids) * 4)
            with catalog.writing() as session:
                session.execute(
                    insert(PhotoRow),
                    [
                        {
                            "id": i, "sha256": f"{i:064x}", "ext": "jpg", "format": "JPEG", "size_bytes": 99_000,
                            "width_px": 1250, "height_px": 950, "exif_orientation": 1, "frames": 1,
                            "phash": int(hashes[4 * n]), "phash_mirrored": int(hashes[4 * n + 1]),
                            "phash_flipped": int(hashes[4 * n + 2]), "phash_rotated": int(hashes[4 * n + 3]),
                            "detail_hash": bytes(32), "chroma": bytes(32), "brightness": 0.5, "contrast": 0.2,
                            "blur_var": 300.0, "added_at": now, "run_id": run.id,
                        }
                        for n, i in enumerate(ids)
                    ],
                )  # fmt: skip
                session.execute(
                    insert(SightingRow),
                    [
                        {
                            "photo_id": i, "source": ("pexels", "commons", "bing")[i % 3], "version": "",
                            "url": f"https://images.example/photos/{i}/car-{i}.jpeg", "query": "BMW car front",
                            "brand_asked": brands[i % 60], "view_asked": "front", "title": "A car on a road", "alt": "",
                            "author": "Somebody", "author_url": "", "license": "pexels", "license_url": "",
                            "page_url": f"https://www.example/photo/{i}/", "folder": "", "file_name": "",
                            "seen_at": now, "run_id": run.id,
                        }
                        for i in ids
                    ],
                )  # fmt: skip
                labels = [
                    {"photo_id": i, "kind": kind, "value": value, "stage": kind, "method": "m", "confidence": 1.0,
                     "evidence": {}}
                    for i in ids
                    for kind, value in (("brand", brands[i % 60]), ("file_name", f"{i:016x}"))
                ]  # fmt: skip
                session.execute(insert(LabelRow), labels)
                dropped = [
                    {"photo_id": i, "stage": "quality", "keep": False, "reason": "blurred", "evidence": {}}
                    for i in ids
                    if i % 10 == 0
                ]
                session.execute(insert(VerdictRow), dropped)
                session.execute(insert(GroupRow), [{"id": i, "key": f"g{i}", "stage": "d"} for i in ids if i % 20 == 0])
                members = [
                    {"photo_id": i + more, "group_id": i, "relation": ("keeper", "copy")[more], "of_photo_id": i,
                     "evidence": {"distance_bits": 2, "detail_bits": 4}}
                    for i in ids
                    if i % 20 == 0 and i < photos
                    for more in (0, 1)
                    if i + more in ids
                ]  # fmt: skip
                session.execute(insert(MemberRow), members)
                failures = [
                    {"source": "bing", "url": f"https://gone.example/{i}.jpg", "version": "", "query": "BMW car",
                     "brand_asked": "BMW", "reason": ("http-404", "timeout")[i % 2], "detail": "it answered 404",
                     "retryable": i % 2 == 1, "attempts": 1, "failed_at": now, "run_id": run.id}
                    for i in ids
                    if i % 20 < 2
                ]  # fmt: skip
                session.execute(insert(FailureRow), failures)
        with catalog.writing() as session:
            mark = {"stage": "brands", "key": "k", "last_sighting_id": photos, "changes": 1, "run_id": run.id}
            session.execute(insert(StageMarkRow), [mark])


def status_of_a_million() -> None:
    with tempfile.TemporaryDirectory() as name:
        workspace = Path(name) / "datasets"
        started = time.perf_counter()
        fill(workspace, MILLION)
        print(f"a catalog of {MILLION:,} photos made in {time.perf_counter() - started:.0f} s", flush=True)
        with open_catalog(workspace) as catalog:
            started = time.perf_counter()
            told = status(catalog)
            seconds = time.perf_counter() - started
            print(f"status, read: {seconds:.3f} s ({told.photos:,} photos, {len(told.brands)} brands)")
            assert told.photos == MILLION
        for what in (["status"], ["--version"]):
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, "-m", "carharvest", *what, *(["-w", str(workspace)] if what == ["status"] else [])],
                check=True, capture_output=True,
            )  # fmt: skip
            print(f"`carharvest {what[0]}`, the whole command: {time.perf_counter() - started:.2f} s")
        with open_catalog(workspace) as catalog:
            with catalog.writing() as session:
                opinions_changed(session)
            started = time.perf_counter()
            status(catalog)
            print(f"status, read, where opinions have to be counted anew: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(bring(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))
    else:
        growth()
        status_of_a_million()
