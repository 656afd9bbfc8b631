"""How fast photos come to a trainer, and what the cache of activations saves; torchvision's way beside ours.

Usage: python -m benchmarks.training [--photos 1500] [--workers 2]
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from train_adapter.augment import Changes
from train_adapter.folder import read_folder
from train_adapter.loading import EpochSampler, PictureData, loader
from train_adapter.pictures import pictures
from train_adapter.progress import silent
from train_adapter.recipe import Augment, load_recipe
from train_adapter.recipe import Image as Seen
from train_adapter.train import train

_CLASSES = ("AUDI", "BMW", "FIAT", "SKODA")
_BATCH = 32
_LOAD_PX, _PX = 256, 224
_MEAN, _STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]


def fill(root: Path, count: int) -> None:
    """An ImageFolder of JPEGs of 1,250 x 950: `count` in train, few in the other parts."""
    rng = np.random.default_rng(count)
    for number in range(count + 80):
        part = "train" if number < count else ("val", "test")[number % 2]
        folder = root / part / _CLASSES[number // 2 % len(_CLASSES)]
        folder.mkdir(parents=True, exist_ok=True)
        rough = Image.fromarray(rng.integers(0, 255, (24, 31, 3), dtype=np.uint8))
        smooth = np.asarray(rough.resize((1250, 950), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = smooth + rng.integers(-2, 3, (950, 1250, 1))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=68)


def drained(batches: Iterable[Any]) -> tuple[int, float]:
    """Photos and seconds of an epoch, each batch on its way to the network: float, normalised."""
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (_MEAN, _STD))
    begun, photos = time.perf_counter(), 0
    for batch in batches:
        pictures_ = batch[0]
        if not pictures_.is_floating_point():
            pictures_ = (pictures_.float() / 255 - mean) / std
        photos += len(pictures_)
    return photos, time.perf_counter() - begun


def theirs(root: Path, workers: int) -> Any:
    from torchvision import datasets, transforms

    changes = transforms.Compose(
        [
            transforms.Resize((_LOAD_PX, _LOAD_PX), transforms.InterpolationMode.BICUBIC),
            transforms.RandomCrop(_PX),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(_MEAN, _STD),
        ]
    )
    folder = datasets.ImageFolder(str(root / "train"), changes)
    return torch.utils.data.DataLoader(
        folder, batch_size=_BATCH, shuffle=True, num_workers=workers, persistent_workers=True
    )


def ours(root: Path, cache: Path, workers: int) -> tuple[Any, EpochSampler]:
    """Decodes what is not in the cache; gives the loader."""
    image = Seen(px=_PX, load_px=_LOAD_PX)
    kept = pictures(read_folder(root).parts["train"], _LOAD_PX, "squash", cache, silent, threads=max(1, workers))
    order = EpochSampler(len(kept), 1, shuffle=True)
    data = PictureData(kept, image, Changes(Augment(flip=True), image, range(len(_CLASSES))), 1, boxes=False)
    return loader(data, order, _BATCH, workers), order


def pipeline(root: Path, workers: int) -> None:
    batches = theirs(root, workers)
    rates = [photos / seconds for photos, seconds in (drained(batches) for _ in range(2))]
    torchvision_rate = rates[1]  # workers are there, files are in the system's memory
    print(f"torchvision ImageFolder + DataLoader: {rates[0]:.0f} photos/s first, {rates[1]:.0f} later")
    del batches
    begun = time.perf_counter()
    mine, order = ours(root, root / "cache", workers)
    decoded = time.perf_counter() - begun
    photos, seconds = drained(mine)
    first = photos / (decoded + seconds)
    later = []
    for epoch in (1, 2, 3):
        order.set_epoch(epoch)
        photos, seconds = drained(mine)
        later.append(photos / seconds)
    print(f"ours, first epoch with decoding: {first:.0f} photos/s: {first / torchvision_rate:.2f} x")
    print(f"  of it the decoding: {photos / decoded:.0f} photos/s")
    middle = sorted(later)[1]
    print(f"ours, later epochs: {middle:.0f} photos/s: {middle / torchvision_rate:.1f} x")


def epochs(root: Path, cache: Path) -> None:
    """fast-cpu's epochs beside those of the same body trained whole from pictures."""
    packaged = ["body=tf_efficientnet_lite0", "weights=lite0", "image.load_px=224"]
    whole = load_recipe("transfer-b0", [*packaged, "stages.all.frozen_epochs=0", "stages.all.epochs=2"])
    fast = load_recipe("fast-cpu", ["stages.*.epochs=4", "stages.*.patience=9"])
    slow_s = train(root, whole, root / "whole", cache=cache, seed=1)["speed"]["all"]["epoch_s"]
    found = train(root, fast, root / "fast", cache=cache, seed=1)["speed"]
    print(f"an epoch of all of EfficientNet-Lite0 from pictures: {slow_s:.1f} s")
    for name, speed in found.items():
        epoch_s = speed["epoch_s"]
        print(f"an epoch of fast-cpu's {name}, with mirror images: {epoch_s:.2f} s: {slow_s / epoch_s:.0f} x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=1500)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        fill(root, given.photos)
        with Image.open(next((root / "train").rglob("*.jpg"))) as image:
            print(
                f"{given.photos} JPEGs {image.width} x {image.height}, {given.workers} workers, {os.cpu_count()} cores"
            )
        pipeline(root, given.workers)
        few = root / "few"
        fill(few, 300)
        epochs(few, root / "cache")


if __name__ == "__main__":
    main()
