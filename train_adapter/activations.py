"""Runs the frozen part of a body once over every photo and keeps the result on disk."""

from pathlib import Path

import numpy as np
import torch

from train_adapter.augment import middle
from train_adapter.network import Network
from train_adapter.pictures import Pictures, draft_of, part_key
from train_adapter.progress import Progress
from train_adapter.recipe import Recipe

_BATCH = 8  # fastest on two cores: what a layer gives still fits into the cache
_TAIL_BATCH = 64


def activations(
    network: Network, pictures: Pictures, recipe: Recipe, cache: Path, *, mirrored: bool, progress: Progress
) -> np.ndarray:
    """float16 (n, channels, h, w) of the trunk for a part, memory-mapped; of the mirror images if `mirrored`.

    Kept in `cache` under a key of the files, the picture's form, and body and weights. Written beside and renamed.
    """
    network.must_be_cut()
    seen = f"{recipe.image.model_dump_json()} {recipe.body} {_weights_id(recipe.weights)} {mirrored}"
    target = cache / f"activations-{part_key(pictures.part, seen)}.npy"
    if not target.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with draft_of(target) as draft:
            _compute(network, pictures, recipe, draft, mirrored=mirrored, progress=progress)
    kept: np.ndarray = np.load(target, mmap_mode="r", allow_pickle=False)
    return kept


@torch.no_grad()
def features(network: Network, array: np.ndarray) -> np.ndarray:
    """(n, features) of the tail for (n, channels, h, w) activations."""
    network.eval()
    device = network.mean.device
    found = [
        network.tail(torch.from_numpy(array[start : start + _TAIL_BATCH].astype(np.float32)).to(device)).cpu().numpy()
        for start in range(0, len(array), _TAIL_BATCH)
    ]
    return np.concatenate(found)


@torch.no_grad()
def _compute(
    network: Network, pictures: Pictures, recipe: Recipe, file: Path, *, mirrored: bool, progress: Progress
) -> None:
    network.eval()
    device = network.mean.device
    kept: np.memmap | None = None
    what = f"reading {pictures.part.name} photos" + (", mirrored" if mirrored else "")
    for start in range(0, len(pictures), _BATCH):
        end = min(start + _BATCH, len(pictures))
        batch = torch.stack([middle(pictures[n], recipe.image, None)[0] for n in range(start, end)])
        if mirrored:
            batch = batch.flip(3)
        result = network.trunk(batch.to(device).float() / 255).to(torch.float16).contiguous().cpu().numpy()
        if kept is None:
            kept = np.lib.format.open_memmap(file, "w+", np.float16, (len(pictures), *result.shape[1:]))
        kept[start:end] = result
        progress(what, end, len(pictures))
    if kept is not None:
        kept.flush()


def _weights_id(weights: str) -> str:
    """A file of weights may change under its name."""
    file = Path(weights)
    if not file.is_file():
        return weights
    stat = file.stat()
    return f"{file.absolute()} {stat.st_size} {stat.st_mtime_ns}"
