"""Runs the frozen part of a body once over every photo and keeps the result on disk."""

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from train_adapter.body import CarClassifier
from train_adapter.folder import Part, normalised, pixels

_BATCH = 8  # fastest on two cores: what a layer gives still fits into the cache
Progress = Callable[[str, int, int], None]  # what is going on, done, of how many


def activations(
    model: CarClassifier, part: Part, px: int, body_id: str, cache: Path, *, mirrored: bool, progress: Progress
) -> np.ndarray:
    """float16 (n, channels, h, w) of the trunk for a part, memory-mapped; of the mirror images if `mirrored`.

    Kept in `cache` under a key of the files, the size and the body; written beside and renamed, so that a broken run
    leaves nothing half done.
    """
    target = cache / f"{_key(part, px, body_id, mirrored)}.npy"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        descriptor, draft = tempfile.mkstemp(dir=cache, prefix=".writing-", suffix=".npy")
        os.close(descriptor)
        try:
            _compute(model, part, px, Path(draft), mirrored=mirrored, progress=progress)
            Path(draft).replace(target)
        finally:
            Path(draft).unlink(missing_ok=True)
    kept: np.ndarray = np.load(target, mmap_mode="r", allow_pickle=False)
    return kept


@torch.no_grad()
def _compute(model: CarClassifier, part: Part, px: int, file: Path, *, mirrored: bool, progress: Progress) -> None:
    model.eval()
    kept: np.memmap | None = None
    what = f"reading {part.name} photos" + (", mirrored" if mirrored else "")
    for start in range(0, len(part), _BATCH):
        batch = torch.stack([pixels(f, px) for f in part.files[start : start + _BATCH]])
        if mirrored:
            batch = batch.flip(3)
        batch = normalised(batch, model.mean, model.std).contiguous(memory_format=torch.channels_last)
        result = model.trunk(batch).to(torch.float16).contiguous().numpy()
        if kept is None:
            kept = np.lib.format.open_memmap(file, "w+", np.float16, (len(part), *result.shape[1:]))
        kept[start : start + len(result)] = result
        progress(what, min(start + _BATCH, len(part)), len(part))
    if kept is not None:
        kept.flush()


def _key(part: Part, px: int, body_id: str, mirrored: bool) -> str:
    digest = hashlib.sha256(f"1 {px} {body_id} {mirrored}".encode())
    for file in part.files:
        stat = file.stat()
        digest.update(f"{file.parent.name}/{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return f"activations-{digest.hexdigest()[:32]}"
