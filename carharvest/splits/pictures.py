"""Brings photos into the folder of an export: by hard link, by copy, or rendered anew."""

import errno
import os
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from carharvest.blobs import BlobStore
from carharvest.engine import cores, local_processes
from carharvest.errors import DamagedWorkspace
from carharvest.records import KeptPhoto
from carharvest.splits.render import Frame, Rendering, frame_of, is_rendered, render

_TASK = 16  # pictures that a worker gets at a time
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_Job = tuple[str, str, Frame]  # blob, file, how


def render_workers() -> Executor:
    """Processes for `write_pictures`."""
    return local_processes(cores(), ["carharvest.splits.render"])


@dataclass(slots=True)
class PictureCounts:
    """How the pictures of an export came to be."""

    linked: int = 0
    copied: int = 0
    rendered: int = 0

    @property
    def all(self) -> int:
        return self.linked + self.copied + self.rendered


def write_pictures(
    root: Path,
    files: Iterable[tuple[KeptPhoto, str]],
    blobs: BlobStore,
    rendering: Rendering,
    workers: Callable[[], Executor] = render_workers,
    progress: Callable[[int], None] = lambda done: None,
) -> PictureCounts:
    """Writes each photo under `root` at its path there, which has to be safe; folders are made.

    Raises DamagedWorkspace where a blob is gone, and OSError for a full disk or a picture that no longer decodes.
    """
    counts = PictureCounts()
    made: set[str] = set()
    jobs: list[_Job] = []
    for photo, file in files:
        folder = file.rpartition("/")[0]
        if folder not in made:
            (root / folder).mkdir(parents=True, exist_ok=True)
            made.add(folder)
        blob, path = f"{blobs.root}/{photo.sha256[:2]}/{photo.sha256}.{photo.ext}", f"{root}/{file}"
        if is_rendered(photo, rendering):
            jobs.append((blob, path, frame_of(photo, rendering)))
            continue
        if rendering.links and _linked(blob, path):
            counts.linked += 1
        else:
            _copy(blob, path)
            counts.copied += 1
        if counts.all % 500 == 0:
            progress(counts.all)
    if jobs:
        _render_all(jobs, workers, counts, progress)
    progress(counts.all)
    return counts


def _linked(blob: str, path: str) -> bool:
    try:
        os.link(blob, path)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        if isinstance(error, FileNotFoundError) and not Path(blob).exists():
            raise _lost(blob) from None
        return False  # another disk, or one without links
    return True


def _copy(blob: str, path: str) -> None:
    try:
        shutil.copyfile(blob, path)
    except FileNotFoundError:
        raise _lost(blob) from None


def _lost(blob: str) -> DamagedWorkspace:
    return DamagedWorkspace(f"the blob {blob} is gone", hint="carharvest verify --repair, then scrape again")


def _render_all(
    jobs: Sequence[_Job], workers: Callable[[], Executor], counts: PictureCounts, progress: Callable[[int], None]
) -> None:
    with workers() as executor:
        waiting: deque[tuple[Future[None], int]] = deque()

        def settle() -> None:
            task, size = waiting.popleft()
            task.result()
            counts.rendered += size
            progress(counts.all)

        for start in range(0, len(jobs), _TASK):
            chunk = jobs[start : start + _TASK]
            waiting.append((executor.submit(partial(_rendered, chunk)), len(chunk)))
            if len(waiting) > 4 * cores():
                settle()
        while waiting:
            settle()


def _rendered(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        render(*job)
