"""One reduced decode of a photo: everything that later stages need of its pixels."""

import io
import warnings
from dataclasses import dataclass

import imagehash
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy.fft import dct

from carharvest.records import Fingerprint

THUMBNAIL_PX = 256
# Formats with a safe, kept decoder in Pillow; EPS and its like would start other programs.
_EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
}
_OPENERS = [name for name in _EXTENSIONS if name != "MPO"]  # Pillow opens MPO as JPEG and finds out
_ORIENTATION_TAG = 0x0112


class UnusablePicture(Exception):
    """Bytes that give no photo. `reason` is the failure's code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Decoded:
    """A fingerprint and the JPEG of the thumbnail, longest side at most 256 px."""

    fingerprint: Fingerprint
    thumbnail: bytes


def decode(data: bytes, *, max_pixels: int) -> Decoded:
    """The fingerprint of a picture's bytes, from one decode at reduced scale.

    Raises UnusablePicture with reason `not-a-picture`, `too-many-pixels` or `damaged`.
    """
    image = _opened(data)
    width, height = image.size
    if width * height > max_pixels:
        raise UnusablePicture("too-many-pixels", f"{width}x{height} is more than {max_pixels:,} pixels")
    image_format = image.format or ""
    frames = getattr(image, "n_frames", 1)
    try:
        orientation = int(image.getexif().get(_ORIENTATION_TAG, 1))
        image.draft("RGB", draft_size(width, height))  # JPEG only: libjpeg then decodes at 1/2, 1/4 or 1/8
        image.load()
        upright = _flat(ImageOps.exif_transpose(image))
    except Exception as error:  # decoders raise what they like on damaged bytes; this is the per-item guard
        raise UnusablePicture("damaged", f"{image_format} does not decode: {error}") from error
    if orientation >= 5:  # turned by 90 degrees
        width, height = height, width
    luma = upright.convert("L")
    hashes = mirror_hashes(luma)
    small = upright.copy()
    small.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR)
    light = np.asarray(small.convert("L"), dtype=np.float32)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return Decoded(
        Fingerprint(
            format=image_format,
            ext=_EXTENSIONS[image_format],
            width_px=width,
            height_px=height,
            exif_orientation=orientation,
            frames=frames,
            phash=hashes[0],
            phash_mirrored=hashes[1],
            phash_flipped=hashes[2],
            phash_rotated=hashes[3],
            detail_hash=detail_hash(luma),
            chroma=chroma_fields(small),
            brightness=round(float(light.mean()) / 255, 4),
            contrast=round(float(light.std()) / 255, 4),
            blur_var=round(laplacian_variance(light), 2),
        ),
        buffer.getvalue(),
    )


def draft_size(width: int, height: int) -> tuple[int, int]:
    """The least size at which a thumbnail needs a picture decoded: its longest side at 256 px."""
    longest = max(width, height)
    return -(-THUMBNAIL_PX * width // longest), -(-THUMBNAIL_PX * height // longest)


def mirror_hashes(luma: Image.Image) -> tuple[int, int, int, int]:
    """64-bit pHashes of a grey picture: as it is, mirrored, flipped, rotated by 180 degrees.

    The first is imagehash.phash's. One DCT serves all four: mirroring changes the sign of the odd
    columns of the frequencies, flipping that of the odd rows.
    """
    low = low_frequencies(luma, 8)
    sign = np.where(np.arange(8) % 2, -1.0, 1.0)
    return (
        _hash_of(low),
        _hash_of(low * sign[None, :]),
        _hash_of(low * sign[:, None]),
        _hash_of(low * sign[None, :] * sign[:, None]),
    )


def detail_hash(luma: Image.Image) -> bytes:
    """A pHash of 16 x 16 frequencies, row by row: 32 bytes. It tells two cars before the same wall apart."""
    low = low_frequencies(luma, 16)
    return np.packbits(low > np.median(low)).tobytes()


def low_frequencies(luma: Image.Image, count: int) -> np.ndarray:
    """The lowest count x count DCT-II coefficients of the picture at 4 x its size, as imagehash.phash takes them."""
    pixels = np.asarray(luma.resize((4 * count, 4 * count), Image.Resampling.LANCZOS), dtype=np.float64)
    return np.asarray(dct(dct(pixels, axis=0), axis=1)[:count, :count])


def chroma_fields(picture: Image.Image) -> bytes:
    """Mean Cb and Cr of 4 x 4 fields, row by row: 32 bytes."""
    fields = picture.convert("YCbCr").resize((4, 4), Image.Resampling.BOX)
    return np.asarray(fields)[..., 1:].tobytes()


def laplacian_variance(luma: np.ndarray) -> float:
    """Variance of the 4-neighbour Laplacian of 8-bit luma, (h, w); low means blurred (Pech-Pacheco et al. 2000)."""
    if min(luma.shape) < 3:
        return 0.0
    centre = luma[1:-1, 1:-1]
    edges = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * centre
    return float(edges.var())


def _opened(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about odd metadata, and about sizes, which are checked above
            return Image.open(io.BytesIO(data), formats=_OPENERS)
    except UnidentifiedImageError:
        start = data[:40].lstrip().lower()
        what = (
            "HTML"
            if start.startswith((b"<!doctype", b"<html"))
            else "JSON"
            if start[:1] in b"{[" and start
            else "no picture"
        )
        raise UnusablePicture("not-a-picture", f"the bytes are {what}") from None
    except Image.DecompressionBombError as error:
        raise UnusablePicture("too-many-pixels", str(error)) from None
    except Exception as error:  # see decode(): headers can be damaged in any way
        raise UnusablePicture("damaged", f"the header does not parse: {error}") from error


def _flat(image: Image.Image) -> Image.Image:
    """RGB; transparency on white, as people see logos; 16-bit grey scaled to 8."""
    if image.mode == "RGB":
        return image
    if image.mode.startswith("I"):
        values = np.asarray(image, dtype=np.float64)
        scale = 255.0 / max(float(values.max()), 255.0)
        return Image.fromarray((values * scale).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "A" in image.mode or "transparency" in image.info:
        layers = image.convert("RGBA")
        flat = Image.new("RGB", layers.size, "white")
        flat.paste(layers, mask=layers.getchannel("A"))
        return flat
    return image.convert("RGB")


def _hash_of(low: np.ndarray) -> int:
    return int(str(imagehash.ImageHash(low > np.median(low))), 16)
