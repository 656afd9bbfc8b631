"""The photos of a part as squares of pixels, decoded once and kept on disk."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from train_adapter.decode import Fit, pixels
from train_adapter.errors import TrainingError
from train_adapter.folder import Part
from train_adapter.progress import Progress

_AHEAD = 64  # photos in the hands of the decoding threads
_SPARE_BYTES = 1 << 30  # a cache never takes the last of a disk


class Pictures:
    """(px, px, 3) uint8 by position: from the memory-mapped cache, or from the files where the disk has no room."""

    def __init__(self, part: Part, px: int, fit: Fit, kept: Path | None) -> None:
        self.part = part
        self.px = px
        self.fit = fit
        self._kept = kept
        self._rows: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.part)

    def __getitem__(self, position: int) -> np.ndarray:
        if self._kept is None:
            return decoded(self.part.files[position], self.px, self.fit)
        if self._rows is None:  # opened by whoever reads: a worker of a loader maps the file itself
            self._rows = np.load(self._kept, mmap_mode="r", allow_pickle=False)
        row: np.ndarray = self._rows[position]
        return row

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_rows": None}


def decoded(file: Path, px: int, fit: Fit) -> np.ndarray:
    """The pixels of a photo of a split. Raises TrainingError that names the file."""
    try:
        return pixels(file, px, fit)
    except (OSError, ValueError, SyntaxError) as error:
        raise TrainingError(
            f"{file} does not decode: {error}", hint="take it out of the split, or mend the file"
        ) from None


def pictures(part: Part, px: int, fit: Fit, cache: Path, progress: Progress, threads: int | None = None) -> Pictures:
    """The photos of a part, from `cache` where they are.

    The key is of the files, their sizes and times, the size in pixels and the fit. Written beside and renamed: runs may
    share a cache, and a broken one leaves nothing half done.
    """
    kept = cache / f"pictures-{part_key(part, f'{px} {fit}')}.npy"
    if not kept.exists():
        cache.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(cache).free < len(part) * px * px * 3 + _SPARE_BYTES:
            return Pictures(part, px, fit, None)
        with draft_of(kept) as draft:
            _decode_all(part, px, fit, draft, progress, threads or os.cpu_count() or 1)
    return Pictures(part, px, fit, kept)


@contextmanager
def draft_of(target: Path) -> Iterator[Path]:
    """A path to write to that becomes `target` at the end, or nothing if the work is broken off."""
    descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=".writing-", suffix=target.suffix)
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def part_key(part: Part, more: str) -> str:
    """The same for the same files, unchanged, in the same order, read in the same way."""
    digest = hashlib.sha256(f"2 {more}".encode())
    for file in part.files:
        stat = file.stat()
        digest.update(f"{file.parent.name}/{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def _decode_all(part: Part, px: int, fit: Fit, draft: Path, progress: Progress, threads: int) -> None:
    rows = np.lib.format.open_memmap(draft, "w+", np.uint8, (len(part), px, px, 3))
    with ThreadPoolExecutor(threads) as executor:  # decoding and resizing release the interpreter lock
        for start in range(0, len(part), _AHEAD):
            chunk = part.files[start : start + _AHEAD]
            for n, square in enumerate(executor.map(lambda file: decoded(file, px, fit), chunk)):
                rows[start + n] = square
            progress(f"decoding {part.name} photos", start + len(chunk), len(part))
    rows.flush()
