"""How fast photos are harvested, beside others and beside the bare work, on the same photos in the same run.

2,000 JPEGs of 1,250 x 950 and about 100 KB come from nginx on loopback, which this starts. img2dataset runs where
BENCH_IMG2DATASET names its command (it wants older packages than ours, so a virtual environment of its own).
"""

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from benchmarks.nginx import served
from carharvest.blobs import BlobStore
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.store import open_catalog
from carharvest.engine import cores, local_processes, local_threads
from carharvest.harvest.fingerprint import decode
from carharvest.harvest.http import Fetcher
from carharvest.harvest.keep import Stores
from carharvest.harvest.loop import harvest
from carharvest.harvest.pixels import draft_size
from carharvest.records import Candidate, WebAddress

PHOTOS = int(os.environ.get("BENCH_PHOTOS", "2000"))


def make_photos(folder: Path) -> list[Path]:
    """JPEGs of 1,250 x 950, about 100 KB, all different: smooth shapes with a little noise."""
    rng = np.random.default_rng(1)
    folder.mkdir(parents=True)
    files = []
    for number in range(PHOTOS):
        rough = Image.fromarray(rng.integers(0, 255, (24, 31, 3), dtype=np.uint8))
        smooth = np.asarray(rough.resize((1250, 950), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = smooth + rng.integers(-2, 3, (950, 1250, 1))
        file = folder / f"{number:05}.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(file, quality=68)
        files.append(file)
    return files


def rate(what: str, count: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    a_second = count / (time.perf_counter() - started)
    print(f"{what:66} {a_second:8,.0f} /s", flush=True)
    return a_second


def bare_decode(files: list[Path]) -> None:
    for file in files:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            image.draft("RGB", draft_size(*image.size))
            image.load()


def bare_downloads(get: Callable[[str], bytes], urls: list[str]) -> None:
    for url in urls:
        assert get(url)


def ours(urls: list[str], workspace: Path, origin: str, processes: int) -> None:
    """The whole of it: fetched, checked, hashed, fingerprinted, thumbnailed, stored durably, written down."""
    fetcher = Fetcher(10**8, 30, "benchmark", trusted_origins=frozenset({origin}))
    stores = Stores(BlobStore(workspace / "blobs"), BlobStore(workspace / "thumbs"), 10**8, 10**8)
    executor = local_processes(processes, ("carharvest.harvest.keep",)) if processes else local_threads(cores())
    with open_catalog(workspace, create=True) as catalog, executor, recorded_run(catalog, "bench", {}, 0) as run:
        candidates = (Candidate("bench", WebAddress(url), "car", "BMW") for url in urls)
        summary = harvest(candidates, catalog, fetcher, stores, executor, run_id=run.id)
    assert summary.new + summary.known == len(urls), summary


def img2dataset(command: str, lists: Path, out: Path, *options: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(
        [command, "--url_list", str(lists), "--output_folder", str(out), "--processes_count", "2",
         "--thread_count", "32", "--disallowed_header_directives", "[]", *options],
        check=True, capture_output=True, env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )  # fmt: skip


def icrawler(lists: Path, out: Path) -> None:
    from icrawler.builtin import UrlListCrawler

    crawler = UrlListCrawler(downloader_threads=16, storage={"root_dir": str(out)}, log_level=50)
    crawler.crawl(str(lists))


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def main() -> None:
    with folder() as root:
        files = make_photos(root / "photos")
        size = sum(file.stat().st_size for file in files) / PHOTOS / 1000
        print(f"{PHOTOS} JPEGs, 1250 x 950, {size:.0f} KB each; {cores()} cores")
        some = files[: min(500, PHOTOS)]
        bare = rate("Pillow's bare reduced decode, one thread", len(some), lambda: bare_decode(some))
        one = rate(
            "fingerprint (decode, hashes, statistics, thumbnail), one thread",
            len(some),
            lambda: [decode(file.read_bytes(), max_pixels=10**8) for file in some],
        )
        with served(root / "photos") as origin:
            urls = [f"{origin}/{file.name}" for file in files]
            lists = root / "urls.txt"
            lists.write_text("\n".join(urls) + "\n")
            session = requests.Session()
            fetcher = Fetcher(10**8, 30, "benchmark", trusted_origins=frozenset({origin}))
            plain = rate(
                "download alone, one thread: requests",
                len(urls),
                lambda: bare_downloads(lambda url: session.get(url).content, urls),
            )
            quick = rate(
                "download alone, one thread: ours (urllib3, all checks)",
                len(urls),
                lambda: bare_downloads(fetcher.get, urls),
            )
            print(f"  ours / requests {quick / plain:.2f}")
            rates = {}
            rates["icrawler"] = rate("icrawler UrlListCrawler, 16 threads", PHOTOS, lambda: icrawler(lists, root / "i"))
            for processes in (cores(), 0):
                name = f"{processes} processes" if processes else "threads only"
                rates[name] = rate(
                    f"carharvest, all of it, {name}",
                    PHOTOS,
                    lambda processes=processes: ours(urls, root / f"w{processes}", origin, processes),  # type: ignore[misc]
                )
            best = rates[f"{cores()} processes"]
            rate("the same again: all known", PHOTOS, lambda: ours(urls, root / f"w{cores()}", origin, cores()))
            command = os.environ.get("BENCH_IMG2DATASET", "")
            if command:
                for what, options in (
                    ("--resize_mode no", ("--resize_mode", "no")),
                    ("--disable_all_reencoding", ("--disable_all_reencoding", "True")),
                ):
                    rates[what] = rate(
                        f"img2dataset {what}",
                        PHOTOS,
                        lambda options=options: img2dataset(command, lists, root / "i2d", *options),  # type: ignore[misc]
                    )
                    print(f"  ours / this {best / rates[what]:.2f}")
            else:
                print("img2dataset: not measured (set BENCH_IMG2DATASET)", file=sys.stderr)
        print(f"fingerprint / bare decode {one / bare:.2f}; ours / icrawler {best / rates['icrawler']:.2f}")


if __name__ == "__main__":
    main()
