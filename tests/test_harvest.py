"""From candidates to the catalog: nothing twice, nothing lost, every fault a row."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Loopback, Place, carharvest_in, jpeg
from sqlalchemy import select, text

from carharvest.catalog.intake import known_urls
from carharvest.catalog.schema import FailureRow, PhotoRow, SightingRow
from carharvest.catalog.story import status
from carharvest.errors import DiskFull, QuotaSpent
from carharvest.harvest.http import Fetcher, FetchFailed
from carharvest.harvest.verify import find_damage, mend
from carharvest.records import Candidate, WebAddress
from carharvest.sample.gallery import Item
from carharvest.sources.folder import FolderSource


def web(loopback: Loopback, path: str, data: bytes, query: str = "BMW car") -> Candidate:
    loopback.answers[path] = lambda: (200, {"Content-Type": "image/jpeg"}, data)
    return Candidate("test", WebAddress(loopback.origin + path), query=query, brand_asked="BMW")


def verified(place: Place) -> int:
    return find_damage(place.catalog, place.stores.blobs, place.stores.thumbnails, lambda done, total: None).found


def test_the_same_bytes_are_one_photo_with_two_sightings(place: Place, loopback: Loopback) -> None:
    summary = place.harvest([web(loopback, "/a.jpg", jpeg(1)), web(loopback, "/b.jpg", jpeg(1))])
    assert (summary.new, summary.known, summary.failed) == (1, 1, 0)
    now = status(place.catalog)
    assert (now.photos, now.sightings) == (1, 2)
    assert verified(place) == 0


def test_a_seen_url_is_not_fetched_again(place: Place, loopback: Loopback) -> None:
    candidates = [web(loopback, f"/{n}.jpg", jpeg(n)) for n in range(5)]
    place.harvest(candidates)
    asked = len(loopback.asked)
    again = place.harvest(candidates)
    assert (again.new, again.known) == (0, 5)
    assert len(loopback.asked) == asked


def test_another_query_s_sighting_of_a_known_url_is_kept_without_a_fetch(place: Place, loopback: Loopback) -> None:
    place.harvest([web(loopback, "/a.jpg", jpeg(1), query="BMW car")])
    place.harvest([web(loopback, "/a.jpg", jpeg(1), query="Audi car")])
    assert loopback.asked == ["/a.jpg"]
    assert status(place.catalog).sightings == 2


def test_order_of_photos_is_that_of_the_candidates(place: Place, loopback: Loopback) -> None:
    candidates = [web(loopback, f"/{n}.jpg", jpeg(n, (80 + 40 * (n % 5), 80))) for n in range(30)]
    place.harvest(candidates)
    with place.catalog.reading() as session:
        urls = session.scalars(select(SightingRow.url).order_by(SightingRow.photo_id)).all()
    assert list(urls) == [candidate.url for candidate in candidates]


@pytest.mark.parametrize(
    ("answer", "reason", "retryable"),
    [
        ((404, {}, b""), "http-404", False),
        ((410, {}, b""), "http-410", False),
        ((503, {}, b""), "http-503", True),
        ((200, {}, b"<html>login</html>"), "not-a-picture", False),
        ((200, {}, jpeg(1)[:3000]), "damaged", False),
        ((200, {}, b""), "empty", True),
        ((200, {"Content-Length": "9000"}, jpeg(1)[:4000]), "broken-off", True),
        ((200, {"Content-Length": "99000000"}, b"x"), "too-large", False),
        ((200, {"Content-Length": "a lot"}, jpeg(1)[:3000]), "damaged", False),
        ((302, {"Location": "/a.jpg"}, b""), "too-many-redirects", False),
        ((302, {"Location": "file:///etc/passwd"}, b""), "bad-url", False),
        ((302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""), "private-address", False),
        ((302, {"Location": "http://localhost:1/a.jpg"}, b""), "private-address", False),
    ],
)
def test_a_fault_is_a_failure_row(
    place: Place, loopback: Loopback, answer: tuple[int, dict[str, str], bytes], reason: str, retryable: bool
) -> None:
    good = web(loopback, "/good.jpg", jpeg(9))
    bad = web(loopback, "/a.jpg", b"")
    loopback.answers["/a.jpg"] = lambda: answer
    summary = place.harvest([bad, good])
    assert (summary.new, summary.failed) == (1, 1)
    with place.catalog.reading() as session:
        row = session.scalars(select(FailureRow)).one()
        assert (row.reason, row.retryable, row.attempts) == (reason, retryable, 1)
    asked = len(loopback.asked)
    place.harvest([bad])
    assert (len(loopback.asked) > asked) == retryable


def test_a_mended_failure_is_forgotten(place: Place, loopback: Loopback) -> None:
    candidate = web(loopback, "/a.jpg", jpeg(1))
    loopback.answers["/a.jpg"] = lambda: (503, {}, b"")
    place.harvest([candidate])
    place.harvest([web(loopback, "/a.jpg", jpeg(1))])
    now = status(place.catalog)
    assert (now.photos, now.failures) == (1, {})


def test_private_addresses_are_refused_before_a_connection(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    def watched(*_: object, **__: object) -> None:
        raise AssertionError("a connection was tried")

    fetcher = Fetcher(1000, 5, "tests")
    answers = {"metadata.example": "169.254.169.254", "intern.example": "10.0.0.7", "six.example": "::1"}
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *_, **__: [(0, 0, 0, "", (answers.get(host, host.strip("[]")), 0))]
    )
    monkeypatch.setattr("socket.socket.connect", watched)
    for host in (*answers, "127.0.0.1", "192.168.1.1", "[::1]", "0.0.0.0", "224.0.0.1"):
        with pytest.raises(FetchFailed) as raised:
            fetcher.get(f"http://{host}/a.jpg")
        assert raised.value.reason == "private-address", host


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://x.example/a", "javascript:alert(1)", "http://", "http://[::"]
)
def test_only_web_addresses_are_fetched(url: str) -> None:
    with pytest.raises(FetchFailed) as raised:
        Fetcher(1000, 5, "tests").get(url)
    assert raised.value.reason == "bad-url"


def test_what_a_source_gave_before_it_failed_is_kept(place: Place, loopback: Loopback) -> None:
    def source() -> Iterator[Candidate]:
        yield web(loopback, "/1.jpg", jpeg(1))
        yield web(loopback, "/2.jpg", jpeg(2))
        raise QuotaSpent("no more")

    with pytest.raises(QuotaSpent):
        place.harvest(source())
    assert status(place.catalog).photos == 2


def test_files_are_read_again_only_when_they_change(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "bmw"
    folder.mkdir()
    for n in range(4):
        (folder / f"{n}.jpg").write_bytes(jpeg(n))
    (folder / "empty.jpg").write_bytes(b"")
    first = place.harvest_source(FolderSource(folder))
    assert (first.new, first.failed) == (4, 1)
    (folder / "0.jpg").write_bytes(jpeg(77))
    (folder / "empty.jpg").write_bytes(jpeg(78))
    second = place.harvest_source(FolderSource(folder))
    assert (second.new, second.known, second.failed) == (2, 3, 0)


def test_verify_finds_and_mends_damage(place: Place, loopback: Loopback) -> None:
    place.harvest([web(loopback, f"/{n}.jpg", jpeg(n)) for n in range(4)])
    blobs = list(place.stores.blobs)
    thumbnails = list(place.stores.thumbnails)
    blobs[0].unlink()
    blobs[1].write_bytes(b"other bytes")
    thumbnails[2].unlink()
    orphan = place.stores.blobs.put(b"nobody's", "ee" * 32, "jpg")
    (blobs[3].parent / ".writing-x").write_bytes(b"half")
    damage = find_damage(place.catalog, place.stores.blobs, place.stores.thumbnails, lambda done, total: None)
    assert [len(f) for f in (damage.lost, damage.damaged, damage.orphans, damage.leftovers)] == [1, 1, 1, 1]
    assert len(damage.without_thumbnail) == 1
    mend(damage, place.catalog, place.stores.blobs, place.stores.thumbnails, 50_000_000)
    assert verified(place) == 0
    assert not orphan.exists()
    again = place.harvest([web(loopback, f"/{n}.jpg", jpeg(n)) for n in range(4)])
    assert (again.new, again.known) == (2, 2)


def test_many_urls_are_looked_up_at_once(place: Place, loopback: Loopback) -> None:
    candidates = [web(loopback, f"/{n}.jpg", jpeg(0)) for n in range(1200)]
    place.harvest(candidates[:3])
    assert len(known_urls(place.catalog, candidates).sighted) == 3


@pytest.mark.skipif(
    os.geteuid() != 0 or not sys.platform.startswith("linux"), reason="mounting a small disk needs root"
)
def test_a_full_disk_stops_it_and_it_goes_on_after(tmp_path: Path) -> None:
    disk, photos = tmp_path / "disk", tmp_path / "photos" / "bmw"
    disk.mkdir()
    photos.mkdir(parents=True)
    rng = random.Random(3)
    for n in range(40):
        (photos / f"{n}.jpg").write_bytes(jpeg(n, (320, 240), quality=95) + rng.randbytes(60_000))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        run = carharvest_in(tmp_path)
        full = run("scrape", "folder", str(photos), "--workspace", str(disk / "w"))
        assert full.returncode == DiskFull.exit_code, full.stderr
        assert "no room left" in full.stderr
        assert "hint: make space" in full.stderr
        subprocess.run(["mount", "-o", "remount,size=40m", str(disk)], check=True)
        assert run("scrape", "folder", str(photos), "--workspace", str(disk / "w")).returncode == 0
        assert run("verify", "--repair", "--workspace", str(disk / "w")).returncode == 0
        assert '"photos": 40' in run("status", "--json", "--workspace", str(disk / "w")).stdout
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_stopped_harvest_goes_on_without_loss(tmp_path: Path, items: list[Item], blow: signal.Signals) -> None:
    photos = tmp_path / "photos" / "bmw"
    photos.mkdir(parents=True)
    for n in range(300):
        (photos / f"{n:03}.jpg").write_bytes(jpeg(n, (160, 120)))
    command = [sys.executable, "-m", "carharvest", "scrape", "folder", str(photos)]
    rng = random.Random(int(blow))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CARHARVEST_WORKSPACE": str(tmp_path / "w")}
    holder = tmp_path / "w" / ".lock-holder"  # there while a run is at work
    for _ in range(4):
        holder.unlink(missing_ok=True)
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while not holder.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 1.2))
        process.send_signal(blow)
        output, errors = process.communicate(timeout=30)
        if blow is not signal.SIGKILL and b"candidates" not in output:  # else it was done already
            assert process.returncode == 130
            assert b"goes on" in errors
    run = carharvest_in(tmp_path, CARHARVEST_WORKSPACE=str(tmp_path / "w"))
    assert run("scrape", "folder", str(photos)).returncode == 0
    run("verify", "--repair")
    assert run("verify").returncode == 0
    shutil.rmtree(photos)
    from carharvest.catalog.store import open_catalog

    with open_catalog(tmp_path / "w") as catalog, catalog.reading() as session:
        assert len(session.scalars(select(PhotoRow.id)).all()) == 300
        assert len(session.scalars(select(SightingRow.id)).all()) == 300
        assert session.execute(text("SELECT count(DISTINCT sha256) FROM photos")).scalar() == 300
