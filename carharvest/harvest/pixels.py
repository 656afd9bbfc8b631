"""From bytes to pixels, once, at reduced scale: what is known of the file, and an upright RGB picture of it."""

import io
import warnings
from dataclasses import dataclass
from datetime import datetime

import simplejpeg
from PIL import Image, UnidentifiedImageError

from carharvest.pictures import flat_rgb

THUMBNAIL_PX = 256  # least longest side of the reduced decode; smaller pictures stay as they are
# Formats with a safe, kept decoder in Pillow; EPS and its like would start other programs.
EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tif",
    "AVIF": "avif",
}
_OPENERS = [name for name in EXTENSIONS if name != "MPO"]  # Pillow opens MPO as JPEG and finds out
_ORIENTATION_TAG = 0x0112
_EXIF_IFD = 0x8769
_TAKEN_TAG = 0x9003  # DateTimeOriginal: "2024:05:17 14:03:59"
_TURNS = {  # EXIF 2.32, tag Orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnusablePicture(Exception):
    """Bytes that give no photo. `reason` is the failure's code."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Reduced:
    """A picture at reduced scale, upright and RGB, and what its file says. Sizes are those a person sees."""

    image: Image.Image
    format: str
    width_px: int
    height_px: int
    exif_orientation: int
    frames: int
    mode: str
    taken_at: str


def reduced(data: bytes, *, max_pixels: int) -> Reduced:
    """Decodes a picture's bytes so that its longest side has at least 256 px, and for a JPEG not many more.

    Raises UnusablePicture with reason `not-a-picture`, `too-many-pixels` or `damaged`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about odd metadata, and about sizes, which are checked here
        return _reduced(data, max_pixels)


def draft_size(width: int, height: int) -> tuple[int, int]:
    """The least size at which a thumbnail needs a picture decoded: its longest side at 256 px."""
    longest = max(width, height)
    return -(-THUMBNAIL_PX * width // longest), -(-THUMBNAIL_PX * height // longest)


def _reduced(data: bytes, max_pixels: int) -> Reduced:
    image = _opened(data)
    width, height = image.size
    if width * height > max_pixels:
        raise UnusablePicture("too-many-pixels", f"{width}x{height} is more than {max_pixels:,} pixels")
    image_format = image.format or ""
    try:
        frames, mode = getattr(image, "n_frames", 1), image.mode
        exif = image.getexif()
        noted = exif.get(_ORIENTATION_TAG, 1)
        orientation = noted if noted in _TURNS else 1
        upright = _pixels(data, image)
        if orientation != 1:
            upright = upright.transpose(_TURNS[orientation])
    except Exception as error:  # decoders raise what they like on damaged bytes; this is the per-item guard
        raise UnusablePicture("damaged", f"{image_format} does not decode: {error}") from error
    if orientation >= 5:  # turned by 90 degrees
        width, height = height, width
    return Reduced(upright, image_format, width, height, orientation, frames, mode, _taken_at(exif))


def _taken_at(exif: Image.Exif) -> str:
    """ISO 8601 of when the camera took it; "" where it does not say, or nonsense."""
    try:
        said = exif.get_ifd(_EXIF_IFD).get(_TAKEN_TAG) if exif else None
        return datetime.strptime(str(said)[:19], "%Y:%m:%d %H:%M:%S").isoformat() if said else ""
    except Exception:  # EXIF is damaged in as many ways as pictures are, and nothing depends on it
        return ""


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=_OPENERS)
    except UnidentifiedImageError:
        raise UnusablePicture("not-a-picture", f"the bytes are {_kind(data)}") from None
    except Image.DecompressionBombError as error:
        raise UnusablePicture("too-many-pixels", str(error)) from None
    except Exception as error:  # see reduced(): headers can be damaged in any way
        raise UnusablePicture("damaged", f"the header does not parse: {error}") from error


def _kind(data: bytes) -> str:
    start = data[:40].lstrip().lower()
    if start.startswith((b"<!doctype", b"<html")):
        return "HTML"
    return "JSON" if start[:1] in {b"{", b"["} else "no picture"


def _pixels(data: bytes, image: Image.Image) -> Image.Image:
    """RGB pixels at reduced scale. libjpeg decodes a JPEG at 1/8 to 8/8; others are decoded whole and shrunk."""
    if image.format in {"JPEG", "MPO"} and image.mode in {"RGB", "L"}:
        width, height = draft_size(*image.size)
        return Image.fromarray(
            simplejpeg.decode_jpeg(
                data, "RGB", min_width=width, min_height=height, fastdct=True, fastupsample=True, strict=True
            )
        )
    image.draft("RGB", draft_size(*image.size))  # CMYK JPEGs; a no-op for other formats
    image.load()
    flat = flat_rgb(image)
    if max(flat.size) >= 2 * THUMBNAIL_PX:
        flat.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return flat
