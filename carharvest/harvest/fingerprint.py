"""One reduced decode of a photo: everything that later stages need of its pixels."""

from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image

from carharvest.harvest.hashes import detail_hash, hashed_light, mirror_hashes
from carharvest.harvest.pixels import EXTENSIONS, THUMBNAIL_PX, reduced
from carharvest.records import Fingerprint

_QUALITY = 85  # of the thumbnail
_PLAIN_SPREAD = 10  # of 255: what compression makes of one colour


@dataclass(frozen=True, slots=True)
class Decoded:
    """A fingerprint and the JPEG of the thumbnail: the reduced decode, longest side 256 to 511 px."""

    fingerprint: Fingerprint
    thumbnail: bytes


def decode(data: bytes, *, max_pixels: int) -> Decoded:
    """The fingerprint of a picture's bytes, from one decode at reduced scale.

    Raises UnusablePicture with reason `not-a-picture`, `too-many-pixels` or `damaged`.
    """
    picture = reduced(data, max_pixels=max_pixels)
    light = picture.image.convert("L")
    hashed = hashed_light(light)
    hashes = mirror_hashes(hashed)
    seen = _at_thumbnail_scale(light)
    brightness, contrast, entropy = _level_spread_entropy(seen)
    chroma, colour = chroma_fields(picture.image)
    return Decoded(
        Fingerprint(
            format=picture.format,
            ext=EXTENSIONS[picture.format],
            width_px=picture.width_px,
            height_px=picture.height_px,
            exif_orientation=picture.exif_orientation,
            frames=picture.frames,
            phash=hashes[0],
            phash_mirrored=hashes[1],
            phash_flipped=hashes[2],
            phash_rotated=hashes[3],
            detail_hash=detail_hash(hashed),
            chroma=chroma,
            brightness=round(brightness / 255, 4),
            contrast=round(contrast / 255, 4),
            blur_var=round(laplacian_variance(np.asarray(seen)), 2),
            mode=picture.mode,
            entropy_bits=round(entropy, 3),
            colour=round(colour, 2),
            border=round(border_share(np.asarray(seen)), 3),
            taken_at=picture.taken_at,
        ),
        simplejpeg.encode_jpeg(np.asarray(picture.image), _QUALITY, "RGB", "420", fastdct=True),
    )


def chroma_fields(picture: Image.Image) -> tuple[bytes, float]:
    """Mean Cb and Cr of 4 x 4 fields, row by row, 32 bytes; and how far Cb and Cr are from grey on average, 0-128."""
    factor = max(1, min(picture.size) // 32)
    small = picture.reduce(factor) if factor > 1 else picture
    fields = small.resize((4, 4), Image.Resampling.BOX).convert("YCbCr")
    coloured = np.asarray(small.convert("YCbCr"))[..., 1:].astype(np.int16)
    return np.asarray(fields)[..., 1:].tobytes(), float(np.abs(coloured - 128).mean())


def border_share(light: np.ndarray) -> float:
    """Share of the height or width, whichever is more, that bars of one colour at opposite edges take, 0-1.

    light: (h, w) of 8 bits. A bar counts only if the one across from it is there too, so a white background below a
    car is none.
    """
    return max(_bars(light), _bars(light.T))


def _bars(light: np.ndarray) -> float:
    plain = np.ptp(light[:, :: max(1, light.shape[1] // 64)], axis=1) <= _PLAIN_SPREAD
    if plain.all() or not (plain[0] and plain[-1]):
        return 0.0
    first, last = int(np.argmin(plain)), int(np.argmin(plain[::-1]))
    if abs(int(light[0].mean()) - int(light[-1].mean())) > _PLAIN_SPREAD:
        return 0.0
    return 2 * min(first, last) / len(light)


def laplacian_variance(light: np.ndarray) -> float:
    """Variance of the 4-neighbour Laplacian of 8-bit light, (h, w); low means blurred (Pech-Pacheco et al. 2000)."""
    if min(light.shape) < 3:
        return 0.0
    values = light.astype(np.int16)
    edges = values[:-2, 1:-1] + values[2:, 1:-1]
    edges += values[1:-1, :-2]
    edges += values[1:-1, 2:]
    edges -= 4 * values[1:-1, 1:-1]
    flat = edges.ravel().astype(np.float32)
    mean = float(flat.mean())
    return max(0.0, float(flat @ flat) / flat.size - mean * mean)


def _at_thumbnail_scale(light: Image.Image) -> Image.Image:
    """Blur depends on the scale: it is measured where the longest side has 256 px."""
    longest = max(light.size)
    if longest <= THUMBNAIL_PX:
        return light
    size = (max(1, round(side * THUMBNAIL_PX / longest)) for side in light.size)
    return light.resize((next(size), next(size)), Image.Resampling.BILINEAR)


def _level_spread_entropy(light: Image.Image) -> tuple[float, float, float]:
    """Mean, standard deviation and entropy in bits of 8-bit light, from its histogram."""
    counts = np.asarray(light.histogram(), dtype=np.float64)
    values = np.arange(256)
    total = counts.sum()
    mean = float(counts @ values / total)
    shares = counts[counts > 0] / total
    entropy = max(0.0, float(-(shares @ np.log2(shares))))
    return mean, float(max(0.0, counts @ (values**2) / total - mean * mean) ** 0.5), entropy
