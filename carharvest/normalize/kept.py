"""Arrays that were computed once for a photo and are kept on disk: features, words, embeddings."""

import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of a photo lie: rows `start` to `stop` of a .npy file."""

    file: str
    start: int
    stop: int

    def read(self) -> np.ndarray:
        """The rows; the file stays mapped, so reading the next photo of it costs nothing."""
        return np.asarray(_mapped(self.file)[self.start : self.stop])


_open: dict[str, np.ndarray] = {}


def _mapped(file: str) -> np.ndarray:
    if file not in _open:
        _open[file] = np.load(file, mmap_mode="r", allow_pickle=False)
    return _open[file]


class KeptArrays:
    """A growing set of arrays by sha256, in files that are written once: `N.rows.npy` and, when it is whole, `N.npz`.

    `made_by` says how the arrays were computed; what was computed in another way is not found.
    """

    def __init__(self, folder: Path, made_by: Mapping[str, Any]) -> None:
        digest = hashlib.sha256(repr(sorted(made_by.items())).encode()).hexdigest()[:12]
        self._folder = folder / digest

    def places(self) -> dict[str, Place]:
        """Where each photo's rows are. Files that are damaged or half written are left out."""
        found: dict[str, Place] = {}
        for names_file in sorted(self._folder.glob("*.npz")):
            rows_file = names_file.with_suffix(".rows.npy")
            with contextlib.suppress(OSError, ValueError, KeyError):
                count = len(_mapped(str(rows_file)))
                with np.load(names_file, allow_pickle=False) as kept:
                    names, ends = kept["names"], kept["ends"]
                if len(ends) and int(ends[-1]) != count:
                    continue
                starts = [0, *ends[:-1].tolist()]
                for name, start, stop in zip(names.tolist(), starts, ends.tolist(), strict=True):
                    found[name.decode()] = Place(str(rows_file), start, stop)
        return found

    def add(self, names: Sequence[str], arrays: Iterable[np.ndarray]) -> None:
        """Keeps the rows of these photos, (n, …) each, all of one type."""
        rows = list(arrays)
        if not rows:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        number = next(n for n in itertools.count() if not list(self._folder.glob(f"{n}.*")))
        np.save(self._folder / f"{number}.rows.npy", np.concatenate(rows))
        beside = self._folder / f"{number}.tmp"
        with beside.open("wb") as file:
            np.savez(file, names=np.array(names, dtype="S64"), ends=np.cumsum([len(r) for r in rows]))
        beside.rename(self._folder / f"{number}.npz")
