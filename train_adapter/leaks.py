"""Photos that stand in two parts of a folder."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from train_adapter.folder import PARTS, Folder
from train_adapter.pictures import Pictures

_ALIKE = 2.0  # mean difference of 16 x 16 thumbnails, of 255: the same picture saved again
_THUMB = 16
_COARSE = 4
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Check:
    """One check with what was seen."""

    name: str
    ok: bool
    told: str


def same_files(folder: Folder) -> Check:
    """Files with the same bytes in two parts. Only files of the same size are read."""
    by_size: dict[int, list[tuple[str, Path]]] = defaultdict(list)
    for name in PARTS:
        for file in folder.parts[name].files:
            by_size[file.stat().st_size].append((name, file))
    shared: list[tuple[Path, Path]] = []
    for entries in by_size.values():
        if len({name for name, _ in entries}) < 2:
            continue
        by_bytes: dict[str, list[tuple[str, Path]]] = defaultdict(list)
        for name, file in entries:
            by_bytes[hashlib.sha256(file.read_bytes()).hexdigest()].append((name, file))
        for same in by_bytes.values():
            first, path = same[0]
            shared += [(path, file) for name, file in same[1:] if name != first]
    return _told("leaks", folder.root, shared, "no file stands in two parts", "stand in two parts")


def same_pictures(folder: Folder, pictures: Mapping[str, Pictures]) -> Check:
    """Pictures that look the same at 16 x 16, mirrored or not, in two parts. `carharvest split check` sees far more."""
    thumbs = {name: _thumbs(pictures[name]) for name in PARTS}
    shared: list[tuple[Path, Path]] = []
    for name, other in (("train", "val"), ("train", "test"), ("val", "test")):
        for turned in (thumbs[other], thumbs[other][:, :, ::-1]):
            files = pictures[name].part.files, pictures[other].part.files
            shared += [(files[0][i], files[1][j]) for i, j in _alike(thumbs[name], turned)]
    return _told("look-alikes", folder.root, shared, "no two parts have pictures that look the same", "look the same")


def _alike(a: np.ndarray, b: np.ndarray) -> list[tuple[int, int]]:
    """Positions of thumbnails whose mean difference is small.

    Means of fields differ by no more than the fields do, so what is alike at 16 x 16 is found by a tree of 4 x 4.
    """
    coarse = [_shrunk(thumbs, _COARSE).reshape(len(thumbs), -1) for thumbs in (a, b)]
    radius = _ALIKE * coarse[0].shape[1]
    near = KDTree(coarse[0]).query_ball_tree(KDTree(coarse[1]), radius, p=1)
    return [(i, j) for i, found in enumerate(near) for j in sorted(found) if np.abs(a[i] - b[j]).mean() < _ALIKE]


def _thumbs(pictures: Pictures) -> np.ndarray:
    side = pictures.px // _THUMB * _THUMB
    return np.stack([_shrunk(pictures[n][None, :side, :side], _THUMB)[0] for n in range(len(pictures))])


def _shrunk(squares: np.ndarray, side: int) -> np.ndarray:
    """(n, side, side, 3) float32 means of fields."""
    count, before = squares.shape[:2]
    field = before // side
    fields = squares.reshape(count, side, field, side, field, 3)
    return np.asarray(fields.mean(axis=(2, 4), dtype=np.float32))


def _told(name: str, root: Path, shared: Sequence[tuple[Path, Path]], none: str, some: str) -> Check:
    if not shared:
        return Check(name, True, none)
    shown = ", ".join(f"{a.relative_to(root)} and {b.relative_to(root)}" for a, b in shared[:_EXAMPLES])
    return Check(name, False, f"{len(shared)} {some}: {shown}" + (", …" if len(shared) > _EXAMPLES else ""))
