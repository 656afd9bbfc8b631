"""From a file to a square of pixels: upright, RGB, 8 bits, decoded at the scale that is needed."""

from pathlib import Path
from typing import Literal

import numpy as np
import simplejpeg
from PIL import Image, ImageOps

Fit = Literal["squash", "crop", "pad"]

_ORIENTATION = 0x0112  # EXIF
_GREY = (124, 116, 104)  # ImageNet's mean: the least telling colour for a border


def pixels(file: Path, px: int, fit: Fit = "squash") -> np.ndarray:
    """The photo as (px, px, 3) uint8.

    `squash`: the whole of it pressed into the square (cars are wide: a centre crop would cut off their noses);
    `crop`: the square in its middle; `pad`: the whole of it with grey bands. Raises OSError for what is no picture.
    """
    with Image.open(file) as image:
        upright = _jpeg(file, image, px) or _upright(image, px)
    width, height = upright.size
    if fit == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        square = upright.resize((px, px), Image.Resampling.BICUBIC, (left, top, left + side, top + side), 2.0)
    elif fit == "pad":
        square = ImageOps.pad(upright, (px, px), Image.Resampling.BICUBIC, _GREY)
    else:
        square = upright.resize((px, px), Image.Resampling.BICUBIC, reducing_gap=2.0)
    return np.asarray(square)


def _jpeg(file: Path, image: Image.Image, px: int) -> Image.Image | None:
    """The way of nearly all photos: libjpeg-turbo at a fraction of the size, without Pillow's copies."""
    if image.format != "JPEG" or image.mode not in {"RGB", "L"} or image.getexif().get(_ORIENTATION, 1) != 1:
        return None
    try:
        return Image.fromarray(
            simplejpeg.decode_jpeg(file.read_bytes(), "RGB", min_height=px, min_width=px, fastdct=True)
        )
    except ValueError:  # what libjpeg-turbo finds too broken, Pillow may still read
        return None


def _upright(image: Image.Image, px: int) -> Image.Image:
    image.draft("RGB", (px, px))
    upright = ImageOps.exif_transpose(image)
    if "A" in upright.mode or "transparency" in upright.info:
        layers = upright.convert("RGBA")
        upright = Image.new("RGB", layers.size, "white")
        upright.paste(layers, mask=layers.getchannel("A"))
    return upright.convert("RGB")
