"""Reads an ImageFolder: which photos, which classes, which pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from train_adapter.errors import TrainingError

PARTS = ("train", "val", "test")
# torchvision.datasets.folder.IMG_EXTENSIONS
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})


@dataclass(frozen=True, slots=True)
class Part:
    """The photos of one part, in order of their paths; `targets` are positions in the list of classes."""

    name: str
    files: tuple[Path, ...]
    targets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.files)


@dataclass(frozen=True, slots=True)
class Folder:
    """An ImageFolder with its three parts."""

    root: Path
    classes: tuple[str, ...]
    parts: dict[str, Part]


def read_folder(root: Path) -> Folder:
    """The classes are those of labels.txt, or else the names of the folders in train, sorted.

    Raises TrainingError where parts or classes are missing.
    """
    if not (root / "train").is_dir():
        raise TrainingError(f"{root} has no folder train", hint="make one with: carharvest split")
    classes = _classes(root)
    if len(classes) < 2:
        have = classes[0] if classes else "none"
        raise TrainingError(
            f"a classifier needs photos of at least two classes; there is {have}",
            hint="scrape another brand (carharvest scrape pexels --brand AUDI), then normalize and split --replace",
            one_class=True,
        )
    parts = {name: _part(root, name, classes) for name in PARTS}
    for name in PARTS:
        if not len(parts[name]):
            raise TrainingError(
                f"{root / name} has no photos",
                hint="scrape more photos of each brand, then normalize and split --replace; three a brand is the least",
            )
    return Folder(root, classes, parts)


def pixels(file: Path, px: int) -> torch.Tensor:
    """The photo as (3, px, px) uint8, the whole of it squashed into the square.

    Cars are wide: a centre crop would cut off their noses. JPEGs are decoded at the scale that is needed.
    """
    with Image.open(file) as image:
        image.draft("RGB", (px, px))
        upright = ImageOps.exif_transpose(image)
        if "A" in upright.mode or "transparency" in upright.info:
            layers = upright.convert("RGBA")
            upright = Image.new("RGB", layers.size, "white")
            upright.paste(layers, mask=layers.getchannel("A"))
        square = upright.convert("RGB").resize((px, px), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return torch.from_numpy(np.array(square)).permute(2, 0, 1)


def normalised(pictures: torch.Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> torch.Tensor:
    """uint8 (n, 3, h, w) to float, as the body was pretrained."""
    shape = (1, 3, 1, 1)
    return (pictures.float() / 255 - torch.tensor(mean).view(shape)) / torch.tensor(std).view(shape)


def _classes(root: Path) -> tuple[str, ...]:
    folders = {entry.name for entry in (root / "train").iterdir() if entry.is_dir()}
    labels = root / "labels.txt"
    if not labels.exists():
        return tuple(sorted(folders))
    classes = tuple(line for line in labels.read_text(encoding="utf-8").splitlines() if line)
    if set(classes) != folders or len(set(classes)) != len(classes):
        odd = ", ".join(sorted(set(classes) ^ folders)) or "one stands twice"
        raise TrainingError(f"{labels} and the folders in train do not agree: {odd}", hint="make the split again")
    return classes


def _part(root: Path, name: str, classes: tuple[str, ...]) -> Part:
    files: list[Path] = []
    targets: list[int] = []
    for target, class_name in enumerate(classes):
        folder = root / name / class_name
        found = sorted(f for f in folder.rglob("*") if f.suffix.lower() in SUFFIXES) if folder.is_dir() else []
        files += found
        targets += [target] * len(found)
    return Part(name, tuple(files), tuple(targets))
