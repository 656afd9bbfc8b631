"""From candidates to the catalog: fetch, check, decode once, store; resumable, and only the driver writes.

A source is asked in a thread of its own, pictures are fetched in threads, decoded and stored by the executor; what
became of each comes back to the driver, which writes it down.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

from carharvest.catalog.intake import known_urls, record
from carharvest.catalog.store import Catalog
from carharvest.engine import WorkerDied
from carharvest.harvest.http import Fetcher, FetchFailed
from carharvest.harvest.keep import Kept, Refused, Stores, kept, kept_file
from carharvest.harvest.summary import HarvestSummary
from carharvest.harvest.turns import Turns
from carharvest.records import Candidate, Failed, Fetched, Outcome, Repeat, WebAddress

_WINDOW = 1024  # candidates that are open at once: waiting, being fetched, or done but not yet written in their order
_LOOK_UP = 500  # candidates whose URLs are looked up together
_BATCH = 64
_BATCH_S = 1.0
_PATIENCE_S = 5.0  # so long a slow candidate holds up the order in which the others are written
_TICK_S = 0.25
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How hard hosts are asked. A failed fetch is tried `attempts` times, `backoff_s`, then twice that, … apart."""

    workers: int = 16
    per_host: int = 8
    host_delay_s: float = 0.0
    attempts: int = 3
    backoff_s: float = 1.0
    longest_wait_s: float = 120.0  # a server that wants us to wait longer is left to a later run
    decoding: int = 16  # pictures that wait for the executor at most


@dataclass(eq=False, slots=True)
class _Job:
    """A candidate on its way."""

    candidate: Candidate
    host: str
    started_at: float | None = None
    attempts: int = 0
    outcome: Outcome | None = None
    passed_over: bool = False


@dataclass(frozen=True, slots=True)
class _Came:
    """Bytes that were fetched, or why not."""

    job: _Job
    result: Future[bytes]


@dataclass(frozen=True, slots=True)
class _Decoded:
    job: _Job
    result: Future[Kept | Refused]


@dataclass(frozen=True, slots=True)
class _Ended:
    """The source has no more, or raised."""

    error: BaseException | None


def harvest(
    candidates: Iterable[Candidate],
    catalog: Catalog,
    fetcher: Fetcher,
    stores: Stores,
    executor: Executor,
    *,
    run_id: int,
    pace: Pace | None = None,
    summary: HarvestSummary | None = None,
    progress: Callable[[HarvestSummary], None] = lambda summary: None,
) -> HarvestSummary:
    """Brings the candidates into the catalog in the order in which they come, and says what came of them.

    `executor` decodes and stores; what comes of it is counted into `summary`, if one is given. What is done is in the
    catalog within a second or 64 photos, also while the source keeps us waiting; a candidate that takes longer than
    five seconds is passed over in the order.
    Raises what the source raises, after all that it gave is done, and DiskFull.
    """
    work = _Harvest(catalog, fetcher, stores, executor, run_id, pace or Pace(), summary or HarvestSummary(), progress)
    return work.run(candidates)


class _Harvest:
    """One harvest at work. All but `_feed` and what the pools run happens in the driver's thread."""

    def __init__(
        self,
        catalog: Catalog,
        fetcher: Fetcher,
        stores: Stores,
        executor: Executor,
        run_id: int,
        pace: Pace,
        summary: HarvestSummary,
        progress: Callable[[HarvestSummary], None],
    ) -> None:
        self._catalog = catalog
        self._fetcher = fetcher
        self._stores = stores
        self._executor = executor
        self._run_id = run_id
        self._pace = pace
        self._progress = progress
        self._summary = summary
        self._seconds_before = summary.seconds
        self._events: SimpleQueue[Candidate | _Came | _Decoded | _Ended] = SimpleQueue()
        self._room = threading.Semaphore(_WINDOW)
        self._stopped = threading.Event()
        self._turns: Turns[_Job] = Turns(pace.per_host, pace.host_delay_s)
        self._order: deque[_Job] = deque()
        self._open = 0  # jobs without an outcome
        self._fetching = 0
        self._decoding = 0
        self._offered: list[Candidate] = []  # not yet looked up
        self._ended: _Ended | None = None
        self._batch: list[Outcome] = []
        self._head_since = self._written_at = self._shown_at = self._started_at = time.monotonic()

    def run(self, candidates: Iterable[Candidate]) -> HarvestSummary:
        feeder = threading.Thread(target=self._feed, args=(candidates,), name="source", daemon=True)
        fetchers = ThreadPoolExecutor(self._pace.workers, thread_name_prefix="fetch")
        feeder.start()
        try:
            while self._ended is None or self._offered or self._open:
                self._start(fetchers)
                self._hear(_TICK_S if self._is_full() else min(_TICK_S, self._turns.wait_s()))
                self._write_out()
        except BaseException:
            self._stop(fetchers)
            raise
        finally:
            self._write_out(everything=True)
            self._flush()
            self._show(now=True)
            fetchers.shutdown(wait=False, cancel_futures=True)
        if self._ended.error is not None:
            raise self._ended.error
        return self._summary

    def _feed(self, candidates: Iterable[Candidate]) -> None:
        """Asks the source, in a thread of its own: while it waits for a quota, the rest goes on."""
        error: BaseException | None = None
        try:
            for candidate in candidates:
                self._room.acquire()
                if self._stopped.is_set():
                    return
                self._events.put(candidate)
        except BaseException as raised:  # handed to the driver, which raises it when all is done
            error = raised
        self._events.put(_Ended(error))

    def _hear(self, patience_s: float) -> None:
        """Takes in what happened; waits if nothing did."""
        try:
            event = self._events.get(timeout=max(0.001, patience_s))
            while True:
                match event:
                    case Candidate():
                        self._offered.append(event)
                    case _Came(job, result):
                        self._take_bytes(job, result)
                    case _Decoded(job, decoded):
                        self._take_photo(job, decoded)
                    case _Ended():
                        self._ended = event
                if len(self._offered) == _LOOK_UP:
                    break
                event = self._events.get_nowait()
        except Empty:
            pass
        # A look-up costs about as much for one candidate as for many: it waits until there is little else to do.
        if len(self._offered) == _LOOK_UP or (self._offered and self._turns.waiting < self._pace.workers):
            self._enter()
        self._show()

    def _enter(self) -> None:
        """Candidates that bring something new become jobs; the others are only counted."""
        offered, self._offered = self._offered, []
        known = known_urls(self._catalog, offered)
        for candidate in offered:
            self._summary.candidates += 1
            key = (candidate.source, candidate.url, candidate.version)
            if (*key, candidate.query) in known.sighted:
                self._summary.known += 1
                self._room.release()
            elif key in known.hopeless:
                self._summary.failed += 1
                self._summary.count("failed before")
                self._room.release()
            else:
                job = _Job(candidate, _host(candidate))
                self._order.append(job)
                self._open += 1
                if key in known.photo_ids:
                    self._finish(job, Repeat(candidate, known.photo_ids[key]))
                else:
                    self._turns.add(job.host, job)

    def _is_full(self) -> bool:
        return self._fetching >= self._pace.workers or self._decoding >= self._pace.decoding

    def _start(self, fetchers: Executor) -> None:
        while not self._is_full():
            turn = self._turns.next()
            if turn is None:
                return
            _, job = turn
            place = job.candidate.place
            job.started_at = job.started_at or time.monotonic()
            if isinstance(place, WebAddress):
                self._fetching += 1
                job.attempts += 1
                fetched = fetchers.submit(self._fetcher.get, place.url)
                fetched.add_done_callback(partial(self._came, job))
            else:
                self._decode(job, self._executor.submit(kept_file, place, self._stores))

    def _came(self, job: _Job, result: "Future[bytes]") -> None:
        self._events.put(_Came(job, result))

    def _decode(self, job: _Job, decoded: "Future[Kept | Refused]") -> None:
        self._decoding += 1
        decoded.add_done_callback(lambda done: self._events.put(_Decoded(job, done)))

    def _take_bytes(self, job: _Job, result: "Future[bytes]") -> None:
        self._fetching -= 1
        self._turns.done(job.host)
        if result.cancelled():
            return
        error = result.exception()
        if error is None:
            self._decode(job, self._executor.submit(kept, result.result(), self._stores))
        elif not isinstance(error, FetchFailed):
            self._finish(job, Failed(job.candidate, "unexpected", type(error).__name__, retryable=True))
        elif not self._try_again(job, error):
            self._finish(job, Failed(job.candidate, error.reason, str(error), error.retryable))

    def _try_again(self, job: _Job, error: FetchFailed) -> bool:
        if not error.soon or job.attempts >= self._pace.attempts:
            return False
        jitter = random.uniform(0.5, 1.5)  # noqa: S311 - it only spreads requests
        wait_s = self._pace.backoff_s * 2 ** (job.attempts - 1) * jitter
        if error.after_s is not None:
            if error.after_s > self._pace.longest_wait_s:
                return False
            wait_s = max(wait_s, error.after_s)
            self._turns.pause(job.host, error.after_s)
        self._turns.again(job.host, job, wait_s)
        return True

    def _take_photo(self, job: _Job, result: "Future[Kept | Refused]") -> None:
        self._decoding -= 1
        if not isinstance(job.candidate.place, WebAddress):
            self._turns.done(job.host)
        error = None if result.cancelled() else result.exception()
        if result.cancelled():
            return
        if isinstance(error, WorkerDied):
            self._finish(job, Failed(job.candidate, "decoder-died", str(error), retryable=False))
        elif error is not None:
            raise error  # a full disk, or a fault of ours: no reason to go on
        else:
            match result.result():
                case Kept(sha256, size_bytes, fingerprint):
                    self._finish(job, Fetched(job.candidate, sha256, size_bytes, fingerprint))
                case Refused(reason, detail, retryable):
                    self._finish(job, Failed(job.candidate, reason, detail, retryable))

    def _finish(self, job: _Job, outcome: Outcome) -> None:
        job.outcome = outcome
        self._open -= 1
        self._room.release()
        if job.passed_over:
            self._batch.append(outcome)

    def _write_out(self, everything: bool = False) -> None:
        """Outcomes go to the catalog in the order of their candidates; who takes too long is passed over."""
        now = time.monotonic()
        while self._order:
            job = self._order[0]
            if job.outcome is not None:
                self._batch.append(job.outcome)
            elif everything or now - min(self._head_since, job.started_at or now) > _PATIENCE_S:
                job.passed_over = True
            else:
                break
            self._order.popleft()
            self._head_since = now
        if len(self._batch) >= _BATCH or time.monotonic() - self._written_at > _BATCH_S:
            self._flush()

    def _flush(self) -> None:
        self._written_at = time.monotonic()
        batch, self._batch = self._batch, []
        recorded = record(self._catalog, batch, self._run_id)
        self._summary.new += recorded.new
        self._summary.known += recorded.known
        self._summary.failed += recorded.failed
        for outcome in batch:
            if isinstance(outcome, Failed):
                self._summary.count(outcome.reason)

    def _stop(self, fetchers: ThreadPoolExecutor) -> None:
        """Fetches are cut off; what is being decoded is waited for, since its bytes are here."""
        self._stopped.set()
        self._room.release(_WINDOW)
        fetchers.shutdown(wait=False, cancel_futures=True)
        self._fetcher.cut_all()
        until = time.monotonic() + _STOP_S
        while self._decoding and time.monotonic() < until:
            try:
                event = self._events.get(timeout=_TICK_S)
            except Empty:
                continue
            if isinstance(event, _Decoded):
                if event.result.cancelled() or event.result.exception() is not None:
                    self._decoding -= 1
                else:
                    self._take_photo(event.job, event.result)

    def _show(self, now: bool = False) -> None:
        moment = time.monotonic()
        self._summary.seconds = self._seconds_before + moment - self._started_at
        if now or moment - self._shown_at > 0.1:
            self._shown_at = moment
            self._progress(self._summary)


def _host(candidate: Candidate) -> str:
    """Whom a candidate is asked of; "" for files of this machine."""
    if not isinstance(candidate.place, WebAddress):
        return ""
    try:
        return urlsplit(candidate.place.url).netloc.lower().rpartition("@")[2]
    except ValueError:
        return "?"
