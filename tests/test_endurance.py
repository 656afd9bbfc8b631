"""What a week-long harvest meets: kills at any moment, a second scrape beside it, dying decoders, clocks that jump."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, Place, carharvest_in, jpeg, place_at
from faults import FaultServer, answer, fault_server
from sqlalchemy import text

from carharvest.catalog.store import open_catalog
from carharvest.catalog.story import status
from carharvest.cli.screen import Screen, readable_time
from carharvest.engine import LastingProcesses, WorkerDied, local_processes
from carharvest.harvest.loop import harvest
from carharvest.harvest.turns import Turns
from carharvest.records import Candidate, WebAddress
from carharvest.sources.quota import HOUR_S, Quota, Window


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server() as served:
        yield served


def a_list(server: FaultServer, folder: Path, count: int) -> Path:
    """A file with the addresses of so many different photos."""
    for number in range(count):
        path = f"/{number}.jpg"
        server.answers[path] = lambda _, number=number: answer(jpeg(number, (96, 72)), Connection="keep-alive")
    file = folder / "list.txt"
    file.write_text("".join(f"{server.origin}/{number}.jpg\n" for number in range(count)))
    return file


def scrape(file: Path, workspace: Path, **more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "carharvest", "scrape", "urls", str(file), "--allow-private-hosts"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CARHARVEST_WORKSPACE": str(workspace), **more}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def counted(workspace: Path) -> tuple[int, int, int]:
    """Photos, different photos, sightings."""
    with open_catalog(workspace) as catalog, catalog.reading() as session:
        query = (
            "SELECT (SELECT count(*) FROM photos), (SELECT count(DISTINCT sha256) FROM photos), count(*) FROM sightings"
        )
        photos, different, sightings = session.execute(text(query)).one()
        return photos, different, sightings


def is_written(workspace: Path, photos: int) -> bool:
    """Whether the catalog is there and has so many photos."""
    return (workspace / "catalog.db").exists() and counted(workspace)[0] == photos


def processes_of(workspace: Path) -> list[int]:
    """Processes that were started for a workspace and are still there."""
    marker = f"CARHARVEST_WORKSPACE={workspace}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if marker in entry.read_bytes().split(b"\0"):
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for left processes in /proc")
def test_fifty_kills_lose_nothing_and_leave_nothing(tmp_path: Path, server: FaultServer) -> None:
    file, workspace = a_list(server, tmp_path, 1000), tmp_path / "w"
    rng = random.Random(50)
    holder = workspace / ".lock-holder"  # there while a run is at work
    killed_at_work = 0
    for _ in range(50):
        holder.unlink(missing_ok=True)
        process = scrape(file, workspace, CARHARVEST_HARVEST__HOST_DELAY_S="0.03")  # else it is done after a few
        while not holder.exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 1.6))
        killed_at_work += process.poll() is None
        process.kill()
        process.communicate()
    assert killed_at_work >= 45
    run = carharvest_in(tmp_path, CARHARVEST_WORKSPACE=str(workspace))
    done = run("scrape", "urls", str(file), "--allow-private-hosts")
    assert done.returncode == 0, done.stderr
    assert counted(workspace) == (1000, 1000, 1000)
    run("verify", "--repair")
    verified = run("verify", "--json")
    assert verified.returncode == 0, verified.stdout
    assert json.loads(verified.stdout)["orphans"] == []
    deadline = time.monotonic() + 10
    while processes_of(workspace) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert processes_of(workspace) == []


def test_two_scrapes_at_once_both_finish_and_nothing_is_twice(tmp_path: Path, server: FaultServer) -> None:
    file, workspace = a_list(server, tmp_path, 200), tmp_path / "w"
    both = [scrape(file, workspace) for _ in range(2)]
    for process in both:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
    assert counted(workspace) == (200, 200, 200)
    assert carharvest_in(tmp_path, CARHARVEST_WORKSPACE=str(workspace))("verify").returncode == 0


@pytest.mark.parametrize("blow", [signal.SIGINT, signal.SIGTERM])
def test_a_harvest_that_hangs_on_a_server_stops_at_once_when_asked(
    tmp_path: Path, server: FaultServer, blow: signal.Signals
) -> None:
    file, workspace = a_list(server, tmp_path, 20), tmp_path / "w"
    file.write_text(file.read_text() + f"{server.origin}/stall\n" * 3)
    server.answers["/stall"] = lambda _: lambda sock: time.sleep(40)
    process = scrape(file, workspace)
    deadline = time.monotonic() + 30
    while (server.asked["/stall"] < 3 or not is_written(workspace, 20)) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(blow)
    started = time.monotonic()
    _, errors = process.communicate(timeout=30)
    assert time.monotonic() - started < 6
    assert process.returncode == 130
    assert b"goes on where it stopped" in errors
    assert b"Traceback" not in errors
    assert counted(workspace) == (20, 20, 20)


def test_a_scrape_keeps_normalize_out_but_not_another_scrape(tmp_path: Path) -> None:
    from carharvest.catalog.runs import locked, shared
    from carharvest.errors import WorkspaceLocked

    def refused() -> pytest.RaisesExc[WorkspaceLocked]:
        return pytest.raises(WorkspaceLocked, match="carharvest")

    with shared(tmp_path, "scrape a"), shared(tmp_path, "scrape b"), refused(), locked(tmp_path, "normalize"):
        pass
    with locked(tmp_path, "normalize"), refused(), shared(tmp_path, "scrape"):
        pass


def _half(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number // 2


def test_a_worker_that_dies_takes_only_its_task_with_it() -> None:
    with local_processes(2) as executor:
        tasks = [executor.submit(_half, number) for number in range(12)]
        results = {number: task.exception(timeout=60) or task.result() for number, task in enumerate(tasks)}
    assert isinstance(results.pop(3), WorkerDied)
    assert results == {number: number // 2 for number in range(12) if number != 3}


def test_a_photo_that_kills_its_decoder_is_a_row(tmp_path: Path, server: FaultServer) -> None:
    class Doomed(LastingProcesses):
        """Its processes die of one photo, as of a fault in a decoder."""

        def submit(self, fn, /, *args, **kwargs):
            return super().submit(_die if args[0] == jpeg(7) else fn, *args, **kwargs)

    for number in range(12):
        server.answers[f"/{number}.jpg"] = lambda _, number=number: answer(jpeg(number))
    place: Place = place_at(tmp_path / "w", server.origin)
    candidates = [Candidate("test", WebAddress(f"{server.origin}/{number}.jpg")) for number in range(12)]
    from carharvest.catalog.runs import recorded_run

    with Doomed(2) as executor, recorded_run(place.catalog, "test", {}, 0) as run:
        summary = harvest(candidates, place.catalog, place.fetcher, place.stores, executor, run_id=run.id)
    assert (summary.new, summary.reasons) == (11, {"decoder-died": 1})
    assert status(place.catalog).retryable == 0
    place.catalog.close()


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_slow_source_does_not_hold_up_what_it_gave(tmp_path: Path, server: FaultServer) -> None:
    """While a source waits for its quota, what it gave is fetched and written."""
    place = place_at(tmp_path / "w", server.origin)
    seen: list[int] = []

    def source() -> Iterator[Candidate]:
        yield Candidate("test", WebAddress(f"{server.origin}/a.jpg"))
        deadline = time.monotonic() + 20
        while not seen and time.monotonic() < deadline:  # the wait for a quota
            time.sleep(0.05)
            with open_catalog(tmp_path / "w") as catalog:
                seen.extend([1] * status(catalog).photos)

    place.harvest(source())
    assert seen == [1]
    place.catalog.close()


def test_a_stalled_picture_does_not_hold_up_the_others(tmp_path: Path, server: FaultServer) -> None:
    place = place_at(tmp_path / "w", server.origin, timeout_s=9)
    gate: list[float] = []

    def stalled(sock: object) -> None:
        deadline = time.monotonic() + 8
        while time.monotonic() < deadline:
            time.sleep(0.1)
            with open_catalog(tmp_path / "w") as catalog:
                if status(catalog).photos:
                    gate.append(time.monotonic())
                    return

    server.answers["/0.jpg"] = lambda _: stalled
    from conftest import QUICK

    place.harvest([Candidate("test", WebAddress(f"{server.origin}/{number}.jpg")) for number in range(5)], QUICK)
    assert gate
    place.catalog.close()


def test_turns_go_round_and_hold_delays_whatever_the_wall_clock_says() -> None:
    now = [0.0]
    turns: Turns[int] = Turns(per_host=1, delay_s=2.0, clock=lambda: now[0])
    for number in range(4):
        turns.add("a", number)
    turns.add("b", 10)
    assert [turns.next(), turns.next(), turns.next()] == [("a", 0), ("b", 10), None]
    turns.done("a")
    assert turns.next() is None  # too soon
    assert turns.wait_s() == 2.0
    now[0] = 2.0
    assert turns.next() == ("a", 1)
    turns.done("a")
    turns.pause("a", 30)
    turns.again("b", 11, after_s=5)
    now[0] = 8.0
    turns.done("b")
    assert turns.next() == ("b", 11)
    assert turns.next() is None
    now[0] = 33.0
    assert turns.next() == ("a", 2)


def test_files_of_this_machine_have_no_turns() -> None:
    turns: Turns[int] = Turns(per_host=1, delay_s=100.0, clock=lambda: 0.0)
    for number in range(5):
        turns.add("", number)
    assert [turns.next() for _ in range(5)] == [("", number) for number in range(5)]


@pytest.mark.parametrize("jump_s", [-10 * 86_400.0, 10 * 86_400.0])
def test_a_clock_that_jumps_does_not_stall_a_quota(tmp_path: Path, jump_s: float) -> None:
    clock = [1_000_000.0]
    waited: list[float] = []

    def wait(seconds: float, why: str) -> None:
        waited.append(seconds)
        clock[0] += seconds

    for moment in (1_000_000.0, 1_000_000.0 + jump_s):
        clock[0] = moment
        quota = Quota(tmp_path / "q.json", (Window(3, HOUR_S),), wait, now=lambda: clock[0])
        for _ in range(3):
            quota.take()
    assert waited == []
    quota.take()
    assert 0 < sum(waited) <= HOUR_S


def test_a_countdown_ends_when_the_wall_clock_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that slept wakes up with a later time of day; its monotonic clock may have stood still."""
    walls = iter([0.0, 1.0, 7200.0])
    monkeypatch.setattr(time, "time", lambda: next(walls, 7200.0))
    started = time.monotonic()
    Screen(quiet=True).count_down(3600, "quota")
    assert time.monotonic() - started < 5


def test_many_processes_share_a_quota(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from carharvest.sources.quota import *;"
        f"q = Quota(Path({str(tmp_path / 'q.json')!r}), (Window(1000, 3600.0),), None);"
        "[q.take() for _ in range(25)]"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    running = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert len(json.loads((tmp_path / "q.json").read_text())) == 100


def test_times_read_well() -> None:
    assert [readable_time(s) for s in (0.2, 45, 61, 3725)] == ["1 s", "45 s", "1:01 min", "1:02:05 h"]
