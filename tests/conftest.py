"""Fixtures: loopback servers, workspaces filled from the sample gallery, the command line, the real photos."""

import io
import ipaddress
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# Test workers share the cores; threads of torch that wait for each other by spinning take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from carharvest.blobs import BlobStore
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.store import Catalog, open_catalog
from carharvest.engine import local_threads
from carharvest.harvest import connect as connect_module
from carharvest.harvest.http import Fetcher
from carharvest.harvest.keep import Stores
from carharvest.harvest.loop import Pace, harvest
from carharvest.harvest.summary import HarvestSummary
from carharvest.records import Candidate, Query
from carharvest.sample.gallery import Item, plan_gallery
from carharvest.sample.server import SAMPLE_KEY, SampleGallery
from carharvest.sources.base import Source

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared"

Answer = tuple[int, dict[str, str], bytes]
QUICK = Pace(backoff_s=0.01)
# For tests of other stages than those that load the network.
WITHOUT_NETWORK = ("--skip", "content", "--skip", "audit", "--skip", "diversity")


@pytest.fixture(autouse=True)
def no_packet_leaves(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The download may connect to this machine only: a connect to any other address fails the test that made it."""
    strays: list[str] = []
    connect = connect_module.create_connection

    def watched(address: tuple[str, int], *rest: Any, **more: Any) -> socket.socket:
        if not ipaddress.ip_address(address[0].partition("%")[0]).is_loopback:
            strays.append(address[0])
            raise OSError("the tests stay on this machine")
        return connect(address, *rest, **more)

    monkeypatch.setattr(connect_module, "create_connection", watched)
    yield
    assert strays == []


@dataclass
class Loopback:
    """A server on 127.0.0.1 whose answers a test decides; remembers the paths it was asked for."""

    origin: str
    answers: dict[str, Callable[[], Answer]]
    asked: list[str] = field(default_factory=list)
    heard: Callable[[str, str, Message, bytes], object] = lambda method, path, headers, body: None


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    served: Loopback

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            served.asked.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            served.heard(self.command, self.path, self.headers, body)
            status, headers, body = served.answers.get(path, lambda: (404, {}, b"nothing here"))()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Loopback(f"http://127.0.0.1:{server.server_address[1]}", {})
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield served
    server.shutdown()
    server.server_close()


@dataclass(frozen=True)
class Place:
    """An open workspace and what a harvest into it needs."""

    root: Path
    catalog: Catalog
    fetcher: Fetcher
    stores: Stores

    def harvest(self, candidates: Iterable[Candidate], pace: Pace = QUICK) -> HarvestSummary:
        with recorded_run(self.catalog, "scrape test", {}, 0) as run, local_threads(2) as executor:
            return harvest(candidates, self.catalog, self.fetcher, self.stores, executor, run_id=run.id, pace=pace)

    def harvest_source(self, source: Source, query: Query | None = None) -> HarvestSummary:
        return self.harvest(list(source.candidates(query or Query(""), limit=None)))


def place_at(
    root: Path, trusted: str = "", timeout_s: float = 10, read_s: float = 10, max_bytes: int = 5_000_000
) -> Place:
    fetcher = Fetcher(max_bytes, timeout_s, "carharvest tests", trusted_origins=frozenset({trusted}), read_s=read_s)
    stores = Stores(BlobStore(root / "blobs"), BlobStore(root / "thumbs"), 5_000_000, 50_000_000)
    return Place(root, open_catalog(root, create=True), fetcher, stores)


@pytest.fixture
def place(tmp_path: Path, loopback: Loopback) -> Iterator[Place]:
    made = place_at(tmp_path / "workspace", loopback.origin)
    yield made
    made.catalog.close()


@pytest.fixture(scope="session")
def items() -> list[Item]:
    """A small gallery with every kind of trouble in it."""
    return plan_gallery(photos=330)


@pytest.fixture(scope="session")
def gallery(items: list[Item]) -> Iterator[SampleGallery]:
    with SampleGallery(items) as served:
        yield served


Run = Callable[..., subprocess.CompletedProcess[str]]


def carharvest_in(folder: Path, **environment: str) -> Run:
    """Runs the command line as a person would, in a folder, with nothing of ours in the environment."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("CARHARVEST_", "PEXELS_"))}

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "carharvest", *arguments],
            cwd=folder,
            env={**clean, "PYTHONPATH": str(ROOT), **environment, **more},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    return run


@pytest.fixture
def carharvest(tmp_path: Path) -> Run:
    return carharvest_in(tmp_path)


@pytest.fixture
def with_key(tmp_path: Path, gallery: SampleGallery) -> Run:
    """The command line with a key, and the sample gallery in the place of Pexels."""
    return carharvest_in(tmp_path, PEXELS_API_KEY=SAMPLE_KEY, CARHARVEST_PEXELS__URL=gallery.origin)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is made by the first test that needs it, whichever worker runs it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            folder.mkdir(exist_ok=True)
            make(folder)
            (folder / "done").touch()
    return folder


@pytest.fixture(scope="session")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the gallery was scraped, normalized and split: made once for all workers, copied by tests."""

    def fill(folder: Path) -> None:
        run = carharvest_in(folder)
        for command in (["scrape", "sample", "--photos", "330"], ["normalize"], ["split"]):
            done = run(*command)
            assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "filled", fill)


@pytest.fixture
def filled(_filled: Path, tmp_path: Path) -> Path:
    """A folder with a filled workspace at ./datasets, for this test alone."""
    shutil.copytree(_filled / "datasets", tmp_path / "datasets")
    return tmp_path


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ImageFolder of two classes that are easy to tell apart: stripes across and stripes down, never the same."""
    root = tmp_path_factory.mktemp("stripes")
    for part, count in (("train", 16), ("val", 6), ("test", 6)):
        for kind, name in enumerate(("ACROSS", "DOWN")):
            (root / part / name).mkdir(parents=True)
            for n in range(count):
                _striped(kind, 1000 * kind + 100 * len(part) + n).save(root / part / name / f"{n}.png")
    (root / "labels.txt").write_text("ACROSS\nDOWN\n")
    return root


def _striped(kind: int, seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(96) * (0.3 + 0.2 * rng.random()) + rng.random() * 6)
    lines = np.tile(wave if kind else wave[:, None], (96, 1) if kind else (1, 96))
    noisy = 128 + 90 * lines + rng.normal(0, 25, (96, 96))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real photos beside the checkout."""
    if not (SHARED / "photos").is_dir():
        pytest.skip("the real photos are not beside this checkout")
    return SHARED


def jpeg(seed: int = 0, size: tuple[int, int] = (320, 240), quality: int = 90) -> bytes:
    """A picture with structure at all scales, different for each seed."""
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 255, (9, 12, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = rng.integers(-12, 12, (size[1], size[0], 1))
    buffer = io.BytesIO()
    Image.fromarray((np.asarray(rough) + noise).clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
