"""From candidates to the catalog: fetch, check, decode once, store; resumable, and only the driver writes."""

import hashlib
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from pathlib import Path

from carharvest.blobs import BlobStore
from carharvest.catalog.intake import known_urls, record
from carharvest.catalog.store import Catalog
from carharvest.errors import CarharvestError
from carharvest.harvest.fingerprint import UnusablePicture, decode
from carharvest.harvest.http import Fetcher, FetchFailed
from carharvest.records import ArchiveMember, Candidate, Failed, Fetched, LocalFile, Outcome, Repeat, WebAddress
from carharvest.text import printable

_LOOK_AHEAD = 80  # candidates whose URLs are looked up together; a page of the largest source
_BATCH = 64
_BATCH_S = 1.0


@dataclass
class HarvestSummary:
    """What a harvest brought."""

    candidates: int = 0
    new: int = 0
    known: int = 0
    failed: int = 0
    seconds: float = 0.0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, other: "HarvestSummary") -> None:
        """Counts another harvest in."""
        self.candidates += other.candidates
        self.new += other.new
        self.known += other.known
        self.failed += other.failed
        self.seconds += other.seconds
        for reason, count in other.reasons.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count


@dataclass(frozen=True, slots=True)
class Intake:
    """What a worker needs to turn a candidate into a photo on disk."""

    fetcher: Fetcher
    blobs: BlobStore
    thumbnails: BlobStore
    max_pixels: int


def harvest(
    candidates: Iterable[Candidate],
    catalog: Catalog,
    intake: Intake,
    executor: Executor,
    *,
    run_id: int,
    in_flight: int,
    progress: Callable[[HarvestSummary], None] = lambda summary: None,
) -> HarvestSummary:
    """Brings the candidates into the catalog in the order in which they come, and says what came of them.

    Work goes to `executor`; at most `in_flight` candidates a worker wait there. What is done is in the
    catalog within a second or 64 photos, also when the source raises or a person interrupts.
    Raises what the source raises, and DiskFull.
    """
    summary = HarvestSummary()
    started = time.monotonic()
    waiting: deque[Future[Outcome]] = deque()
    writer = _Writer(catalog, run_id, summary)
    try:
        for candidate, photo_id in _unknown(candidates, catalog, summary):
            if photo_id is not None:
                writer.add(Repeat(candidate, photo_id))
            else:
                waiting.append(executor.submit(outcome_of, candidate, intake))
            while waiting and (waiting[0].done() or len(waiting) >= in_flight):
                writer.add(waiting.popleft().result())
            summary.seconds = time.monotonic() - started
            progress(summary)
        while waiting:
            writer.add(waiting.popleft().result())
            summary.seconds = time.monotonic() - started
            progress(summary)
    except BaseException:
        for future in waiting:
            future.cancel()
        for future in waiting:
            if not future.cancelled() and future.exception() is None:
                writer.add(future.result())
        raise
    finally:
        writer.flush()
        summary.seconds = time.monotonic() - started
        progress(summary)
    return summary


def outcome_of(candidate: Candidate, intake: Intake) -> Outcome:
    """Fetches, checks, decodes, stores one candidate; what is wrong with it ends as a Failed. Raises DiskFull."""
    try:
        data = _bytes_of(candidate, intake.fetcher)
        decoded = decode(data, max_pixels=intake.max_pixels)
        sha256 = hashlib.sha256(data).hexdigest()
        intake.blobs.put(data, sha256, decoded.fingerprint.ext)
        intake.thumbnails.put(decoded.thumbnail, sha256, "jpg")
        return Fetched(candidate, sha256, len(data), decoded.fingerprint)
    except FetchFailed as error:
        return Failed(candidate, error.reason, str(error), error.retryable)
    except UnusablePicture as error:
        return Failed(candidate, error.reason, printable(str(error), 200), retryable=False)
    except CarharvestError:
        raise
    except Exception as error:  # the guard of one item: no candidate may stop the others
        return Failed(candidate, "unexpected", printable(f"{type(error).__name__}: {error}", 200), retryable=True)


def _bytes_of(candidate: Candidate, fetcher: Fetcher) -> bytes:
    match candidate.place:
        case WebAddress(url):
            return fetcher.get(url)
        case LocalFile(path):
            return _file_bytes(Path(path), fetcher.max_bytes)
        case ArchiveMember(archive, member):
            return _member_bytes(Path(archive), member, fetcher.max_bytes)


def _file_bytes(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return _bounded(file.read(max_bytes + 1), max_bytes)
    except OSError as error:
        raise FetchFailed("unreadable", error.strerror or type(error).__name__, retryable=True) from error


def _member_bytes(archive: Path, member: str, max_bytes: int) -> bytes:
    try:
        with zipfile.ZipFile(archive) as opened, opened.open(member) as file:
            return _bounded(file.read(max_bytes + 1), max_bytes)
    except (OSError, KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise FetchFailed("unreadable", printable(str(error), 200), retryable=False) from error


def _bounded(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise FetchFailed("too-large", f"more than {max_bytes:,} bytes", retryable=False)
    if not data:
        raise FetchFailed("empty", "the file is empty", retryable=False)
    return data


def _unknown(
    candidates: Iterable[Candidate], catalog: Catalog, summary: HarvestSummary
) -> Iterator[tuple[Candidate, int | None]]:
    """Candidates that bring something new; with the photo's id where only the query is new."""
    for page in _pages(candidates):
        known = known_urls(catalog, page)
        for candidate in page:
            summary.candidates += 1
            key = (candidate.source, candidate.url, candidate.version)
            if (*key, candidate.query) in known.sighted:
                summary.known += 1
            elif key in known.photo_ids:
                yield candidate, known.photo_ids[key]
            elif key in known.hopeless:
                summary.failed += 1
                _count(summary, "failed before")
            else:
                yield candidate, None


def _pages(candidates: Iterable[Candidate]) -> Iterator[list[Candidate]]:
    """Candidates by the page; where the source raises, what it gave before comes first."""
    page: list[Candidate] = []
    try:
        for candidate in candidates:
            page.append(candidate)
            if len(page) == _LOOK_AHEAD:
                yield page
                page = []
    except CarharvestError:
        yield page
        raise
    yield page


def _count(summary: HarvestSummary, reason: str) -> None:
    summary.reasons[reason] = summary.reasons.get(reason, 0) + 1


class _Writer:
    """Gathers outcomes and writes them in batches."""

    def __init__(self, catalog: Catalog, run_id: int, summary: HarvestSummary) -> None:
        self._catalog = catalog
        self._run_id = run_id
        self._summary = summary
        self._batch: list[Outcome] = []
        self._written_at = time.monotonic()

    def add(self, outcome: Outcome) -> None:
        self._batch.append(outcome)
        if len(self._batch) >= _BATCH or time.monotonic() - self._written_at > _BATCH_S:
            self.flush()

    def flush(self) -> None:
        batch, self._batch = self._batch, []
        recorded = record(self._catalog, batch, self._run_id)
        self._written_at = time.monotonic()
        self._summary.new += recorded.new
        self._summary.known += recorded.known
        self._summary.failed += recorded.failed
        for outcome in batch:
            if isinstance(outcome, Failed):
                _count(self._summary, outcome.reason)
