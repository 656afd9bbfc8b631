"""Batches for Lightning: pictures changed by chance, or activations; in an order that seed and epoch decide alone."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from train_adapter.augment import Changes, middle
from train_adapter.folder import Box
from train_adapter.pictures import Pictures
from train_adapter.recipe import Image

_NO_BOX = (math.nan,) * 4
Key = tuple[int, int]  # epoch, position
Item = tuple[torch.Tensor, int, Box | None]


class Batch(NamedTuple):
    """`inputs` are uint8 pictures or float activations; `targets` (n,); `boxes` (n, 4) shares, nan where unknown."""

    inputs: torch.Tensor
    targets: torch.Tensor
    boxes: torch.Tensor


class PictureData(Dataset[Item]):
    """Pictures of a part; with `changes` they are another each epoch, the same again for the same seed and epoch."""

    def __init__(self, pictures: Pictures, image: Image, changes: Changes | None, seed: int, boxes: bool) -> None:
        self._pictures = pictures
        self._image = image
        self._changes = changes
        self._seed = seed
        self._boxes = boxes

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, key: Key) -> Item:
        return self.__getitems__([key])[0]

    def __getitems__(self, keys: Sequence[Key]) -> list[Item]:
        """One draw of chance for each photo and epoch, whichever process makes it and whatever was drawn before."""
        state = torch.get_rng_state()
        items = [self._item(epoch, position) for epoch, position in keys]
        torch.set_rng_state(state)
        return items

    def _item(self, epoch: int, position: int) -> Item:
        part = self._pictures.part
        box = part.facts_of(position).box if self._boxes else None
        square, target = self._pictures[position], part.targets[position]
        if self._changes is None:
            picture, box = middle(square, self._image, box)
            return picture, target, box
        torch.default_generator.manual_seed(_drawn(self._seed, epoch, position))
        return self._changes(square, target, box)


class ActivationData(Dataset[Item]):
    """What the frozen part gives for a part: of several arrays (as it is, mirrored) one by chance, epoch by epoch."""

    def __init__(self, arrays: Sequence[np.ndarray], targets: Sequence[Sequence[int]], seed: int) -> None:
        self._arrays = arrays
        self._targets = targets
        self._seed = seed

    def __len__(self) -> int:
        return len(self._targets[0])

    def __getitem__(self, key: Key) -> Item:
        position = key[1]
        which = (_drawn(self._seed, *key) >> 16) % len(self._arrays)
        return torch.from_numpy(self._arrays[which][position].astype(np.float32)), self._targets[which][position], None


class EpochSampler(Sampler[Key]):
    """Positions with the epoch: in order, shuffled, or drawn by odds. Lightning tells it the epoch."""

    def __init__(self, count: int, seed: int, *, shuffle: bool, odds: torch.Tensor | None = None) -> None:
        self._count = count
        self._seed = seed
        self._shuffle = shuffle
        self._odds = odds
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Key]:
        generator = torch.Generator().manual_seed(_drawn(self._seed, self._epoch))
        order: Sequence[int]
        if self._odds is not None:
            order = torch.multinomial(self._odds, self._count, replacement=True, generator=generator).tolist()
        elif self._shuffle:
            order = torch.randperm(self._count, generator=generator).tolist()
        else:
            order = range(self._count)
        return ((self._epoch, position) for position in order)


def loader(data: PictureData | ActivationData, sampler: EpochSampler, batch: int, workers: int) -> DataLoader[Item]:
    """Batches of `batch`; with `workers` processes beside this one that prepare pictures."""
    return DataLoader(
        data,
        batch_size=batch,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        generator=torch.Generator(),  # it draws a number when it begins, not always at the same moment: not from ours
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


def _drawn(*numbers: int) -> int:
    """A number for numbers, the same in every process; near ones give far ones."""
    return hash(numbers) & 0x7FFF_FFFF_FFFF_FFFF


def collate(items: Sequence[Item]) -> Batch:
    """The batch of items; pictures keep their colours side by side in memory, as networks want them."""
    inputs = [picture for picture, _, _ in items]
    if inputs[0].ndim == 3:
        stacked = torch.stack([picture.permute(1, 2, 0) for picture in inputs]).permute(0, 3, 1, 2)
    else:
        stacked = torch.stack(inputs)
    return Batch(
        stacked,
        torch.tensor([target for _, target, _ in items]),
        torch.tensor([box or _NO_BOX for _, _, box in items], dtype=torch.float32),
    )
