"""Brings photos into the folder of an export: by hard link, by copy, or rendered anew."""

import errno
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path

from carharvest.blobs import BlobStore
from carharvest.engine import cores, local_processes
from carharvest.errors import DamagedWorkspace
from carharvest.records import KeptPhoto
from carharvest.splits.render import Frame, Rendering, frame_of, is_rendered, render

_LINKS, _PICTURES = 1000, 16  # that one task brings, or renders
_FEW = 8  # tasks of links that are not worth the start of processes
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_Job = tuple[str, str, Frame | None]  # blob, file, how it is rendered, if it is


def picture_workers() -> Executor:
    """Processes for `write_pictures`."""
    return local_processes(cores(), ["carharvest.splits.pictures"])


@dataclass(slots=True)
class PictureCounts:
    """How the pictures of an export came to be."""

    linked: int = 0
    copied: int = 0
    rendered: int = 0

    @property
    def all(self) -> int:
        return self.linked + self.copied + self.rendered

    def add(self, more: "PictureCounts") -> None:
        self.linked += more.linked
        self.copied += more.copied
        self.rendered += more.rendered


def write_pictures(
    root: Path,
    files: Iterable[tuple[KeptPhoto, str]],
    blobs: BlobStore,
    rendering: Rendering,
    workers: Callable[[], Executor] = picture_workers,
    progress: Callable[[int], None] = lambda done: None,
) -> PictureCounts:
    """Writes each photo under `root` at its path there, which has to be safe; folders are made.

    Raises DamagedWorkspace where a blob is gone, and OSError for a full disk or a picture that no longer decodes.
    """
    counts = PictureCounts()
    tasks = _tasks(root, files, blobs, rendering)
    first = list(islice(tasks, _FEW))
    if len(first) < _FEW and all(how is None for task in first for _, _, how in task):
        for task in first:
            counts.add(_brought(task, rendering.links))
            progress(counts.all)
        return counts
    with workers() as executor:
        waiting: deque[Future[PictureCounts]] = deque()
        for task in chain(first, tasks):
            waiting.append(executor.submit(partial(_brought, task, rendering.links)))
            if len(waiting) > 4 * cores():
                counts.add(waiting.popleft().result())
                progress(counts.all)
        while waiting:
            counts.add(waiting.popleft().result())
            progress(counts.all)
    return counts


def _tasks(
    root: Path, files: Iterable[tuple[KeptPhoto, str]], blobs: BlobStore, rendering: Rendering
) -> Iterator[list[_Job]]:
    """Jobs in portions, those that take long in small ones; folders are made on the way."""
    made: set[str] = set()
    quick: list[_Job] = []
    slow: list[_Job] = []
    for photo, file in files:
        folder = file.rpartition("/")[0]
        if folder not in made:
            (root / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        blob, path = f"{blobs.root}/{photo.sha256[:2]}/{photo.sha256}.{photo.ext}", f"{root}/{file}"
        if is_rendered(photo, rendering):
            slow.append((blob, path, frame_of(photo, rendering)))
        else:
            quick.append((blob, path, None))
        if len(quick) == _LINKS:
            yield quick
            quick = []
        if len(slow) == _PICTURES:
            yield slow
            slow = []
    yield from (portion for portion in (quick, slow) if portion)


def _brought(jobs: Sequence[_Job], links: bool) -> PictureCounts:
    """In a worker, or here."""
    counts = PictureCounts()
    for blob, path, frame in jobs:
        try:
            if frame is not None:
                render(blob, path, frame)
                counts.rendered += 1
            elif links and _linked(blob, path):
                counts.linked += 1
            else:
                shutil.copyfile(blob, path)
                counts.copied += 1
        except FileNotFoundError:
            raise DamagedWorkspace(
                f"the blob {blob} is gone", hint="carharvest verify --repair, then scrape again"
            ) from None
    return counts


def _linked(blob: str, path: str) -> bool:
    try:
        os.link(blob, path)
    except OSError as error:
        if error.errno in _NO_ROOM or isinstance(error, FileNotFoundError):
            raise
        return False  # another disk, or one without links
    return True
