"""How fast photos are harvested, beside others and beside the bare work, on the same photos in the same run.

2,000 JPEGs of 1,250 x 950 and about 100 KB come from nginx on loopback, which this starts. img2dataset runs where
BENCH_IMG2DATASET names its command (it wants older packages than ours, so a virtual environment of its own).
"""

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import requests
from PIL import Image

from benchmarks.nginx import served
from carharvest.engine import cores
from carharvest.harvest.fingerprint import decode
from carharvest.harvest.http import Fetcher
from carharvest.harvest.pixels import draft_size

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


def ours(lists: Path, workspace: Path, processes: int) -> None:
    """The whole command: fetched, checked, hashed, fingerprinted, thumbnailed, stored durably, written down."""
    environment = {**os.environ, "CARHARVEST_HARVEST__PROCESSES": str(processes)}
    done = subprocess.run(
        [sys.executable, "-m", "carharvest", "scrape", "urls", str(lists), "--allow-private-hosts", "--json",
         "-w", str(workspace)], check=True, capture_output=True, text=True, env=environment,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["new"] + told["known"] == PHOTOS, told


def img2dataset(command: str, lists: Path, out: Path, *options: str) -> None:
    shutil.rmtree(out, ignore_errors=True)
    subprocess.run(
        [command, "--url_list", str(lists), "--output_folder", str(out), "--processes_count", "2",
         "--thread_count", "32", "--disallowed_header_directives", "[]", *options],
        check=True, capture_output=True, env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"},
    )  # fmt: skip


def icrawler(lists: Path, out: Path, threads: int) -> None:
    code = (
        "from icrawler.builtin import UrlListCrawler;"
        f"UrlListCrawler(downloader_threads={threads}, storage={{'root_dir': {str(out)!r}}}, log_level=50)"
        f".crawl({str(lists)!r})"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


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
            for threads in (1, 16):
                rates[f"icrawler {threads}"] = rate(
                    f"icrawler UrlListCrawler, {threads} threads, no checks",
                    PHOTOS,
                    partial(icrawler, lists, root / f"i{threads}", threads),
                )
            for processes in (cores(), 0):
                name = f"{processes} processes" if processes else "threads only"
                rates[name] = rate(
                    f"carharvest scrape urls, {name}", PHOTOS, partial(ours, lists, root / name, processes)
                )
            best = rates[f"{cores()} processes"]
            command = os.environ.get("BENCH_IMG2DATASET", "")
            if command:
                for what, options in (
                    ("--resize_mode no", ("--resize_mode", "no")),
                    ("--disable_all_reencoding", ("--disable_all_reencoding", "True")),
                ):
                    rates[what] = rate(
                        f"img2dataset {what}", PHOTOS, partial(img2dataset, command, lists, root / "i2d", *options)
                    )
                    print(f"  ours / this {best / rates[what]:.2f}")
            else:
                print("img2dataset: not measured (set BENCH_IMG2DATASET)", file=sys.stderr)
        print(f"fingerprint / bare decode {one / bare:.2f}")
        print(
            f"ours / icrawler with 1 thread {best / rates['icrawler 1']:.2f}, with 16 {best / rates['icrawler 16']:.2f}"
        )


if __name__ == "__main__":
    main()
