"""Perceptual hashes of a picture's light: a pHash of 64 bits for it and its mirror images, and one of 256 bits."""

from functools import cache

import numpy as np
from imagehash import ImageHash
from PIL import Image

_HASHED_PX = 128  # the light is reduced to so many px before it is hashed: the frequencies kept are far lower
_SIGNS = np.where(np.arange(8) % 2, -1.0, 1.0)


def hashed_light(light: Image.Image) -> Image.Image:
    """The grey picture that is hashed: the light at 128 x 128, or less where it has less."""
    width, height = light.size
    return light.resize((min(width, _HASHED_PX), min(height, _HASHED_PX)), Image.Resampling.BILINEAR)


def mirror_hashes(light: Image.Image) -> tuple[int, int, int, int]:
    """64-bit pHashes of a grey picture: as it is, mirrored, flipped, rotated by 180 degrees.

    The first is imagehash.phash's. One DCT serves all four: mirroring changes the sign of the odd
    columns of the frequencies, flipping that of the odd rows.
    """
    low = low_frequencies(light, 8)
    mirrored = low * _SIGNS[None, :]
    flipping = _SIGNS[:, None]
    return _number(low), _number(mirrored), _number(low * flipping), _number(mirrored * flipping)


def detail_hash(light: Image.Image) -> bytes:
    """A pHash of 16 x 16 frequencies, row by row: 32 bytes. It tells two cars before the same wall apart."""
    return _bits(low_frequencies(light, 16))


def low_frequencies(light: Image.Image, count: int) -> np.ndarray:
    """The lowest count x count DCT-II coefficients of the picture at 4 x its size, as imagehash.phash takes them.

    Two products of matrices: scipy.fft does the same, but takes half a second to import. What is zero but for rounding
    becomes zero, so a plain picture has the same hash on every machine.
    """
    pixels = np.asarray(light.resize((4 * count, 4 * count), Image.Resampling.LANCZOS), dtype=np.float64)
    cosines = _cosines(count)
    return np.asarray(np.round(cosines @ pixels @ cosines.T, 6))


@cache
def _cosines(count: int) -> np.ndarray:
    """The lowest rows of the DCT-II of length 4 x count, (count, 4 x count), in scipy's scale."""
    places = (2 * np.arange(4 * count) + 1) / (8 * count)
    return 2 * np.cos(np.pi * np.outer(np.arange(count), places))


def _bits(low: np.ndarray) -> bytes:
    ranked = np.sort(low, axis=None)  # as np.median, in a tenth of its time
    middle = (ranked[low.size // 2 - 1] + ranked[low.size // 2]) / 2
    return np.packbits(ImageHash(low > middle).hash).tobytes()


def _number(low: np.ndarray) -> int:
    return int.from_bytes(_bits(low))
