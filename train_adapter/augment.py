"""How pictures are changed by chance before the body sees them; boxes and sides follow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchvision import tv_tensors
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from train_adapter.folder import Box
from train_adapter.recipe import Augment, Image

_LEAST_BOX = 1e-4  # a box that was cropped to less than that share of the picture is none


class Changes:
    """Applies the augmentation of a recipe to one picture at a time, by torch's random state.

    `mirrored` gives the class of each class's mirror image; without it nothing is mirrored.
    """

    def __init__(self, augment: Augment, image: Image, mirrored: Sequence[int] | None) -> None:
        self._flip = augment.flip and mirrored is not None
        self._mirrored = mirrored
        self._transforms: Any = v2.Compose(_transforms(augment, image))

    def __call__(self, square: np.ndarray, target: int, box: Box | None) -> tuple[torch.Tensor, int, Box | None]:
        picture: torch.Tensor = torch.from_numpy(np.array(square)).permute(2, 0, 1)
        if self._flip and self._mirrored is not None and torch.rand(()) < 0.5:
            picture, target, box = F.horizontal_flip(picture), self._mirrored[target], flipped(box)
        if box is None:
            changed: torch.Tensor = self._transforms(picture)
            return changed, target, None
        side = picture.shape[-1]
        wrapped = tv_tensors.BoundingBoxes(
            [[share * side for share in box]], format=tv_tensors.BoundingBoxFormat.XYXY, canvas_size=(side, side)
        )
        changed, moved = self._transforms(tv_tensors.Image(picture), wrapped)
        return changed.as_subclass(torch.Tensor), target, _shares(F.clamp_bounding_boxes(moved), changed.shape[-1])


def middle(square: np.ndarray, image: Image, box: Box | None) -> tuple[torch.Tensor, Box | None]:
    """What is looked at when nothing is left to chance: the middle `px` of the square."""
    cut = (square.shape[0] - image.px) // 2
    inner = np.array(square[cut : cut + image.px, cut : cut + image.px])
    if box is not None and cut:
        moved = np.clip((np.array(box) * square.shape[0] - cut) / image.px, 0, 1).tolist()
        box = (moved[0], moved[1], moved[2], moved[3])
    return torch.from_numpy(inner).permute(2, 0, 1), box


def flipped(box: Box | None) -> Box | None:
    """The box in the mirror image."""
    return None if box is None else (1 - box[2], box[1], 1 - box[0], box[3])


def _transforms(augment: Augment, image: Image) -> list[Any]:
    chosen: list[Any] = []
    if augment.rotate:
        chosen.append(v2.RandomRotation(augment.rotate, interpolation=v2.InterpolationMode.BILINEAR, fill=127))
    if augment.crop < 1:
        chosen.append(v2.RandomResizedCrop(image.px, scale=(augment.crop, 1.0), ratio=(0.8, 1.25), antialias=True))
    elif image.kept_px > image.px:
        chosen.append(v2.RandomCrop(image.px))
    if augment.policy == "randaugment":
        chosen.append(v2.RandAugment())
    elif augment.policy == "trivialaugment":
        chosen.append(v2.TrivialAugmentWide())
    if augment.jitter:
        strength = augment.jitter
        chosen.append(v2.ColorJitter(brightness=strength, contrast=strength, saturation=strength))
    if augment.erase:
        chosen.append(v2.RandomErasing(augment.erase, value=127))
    return chosen or [v2.Identity()]


def _shares(boxes: torch.Tensor, side: int) -> Box | None:
    left, top, right, bottom = (boxes[0].double() / side).tolist()
    return (left, top, right, bottom) if (right - left) * (bottom - top) > _LEAST_BOX else None
