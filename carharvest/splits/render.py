"""How the photos of an export look: as they are, or cut to their boxes, resized, turned upright."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from carharvest.pictures import flat_rgb
from carharvest.records import Box, KeptPhoto

# What torchvision's ImageFolder loads (torchvision.datasets.folder.IMG_EXTENSIONS); anything else becomes a JPEG.
LOADABLE = {"jpg", "png", "bmp", "tif", "webp"}
LEAST_SSIM = 0.97  # of what is written to what was to be written
_QUALITIES = ((90, "4:2:0"), (95, "4:4:4"), (98, "4:4:4"), (100, "4:4:4"))


@dataclass(frozen=True, slots=True)
class Rendering:
    """What is done to photos on their way out; one to which nothing has to be done is linked, its bytes untouched."""

    resize_px: int | None = None  # the longest side at most
    crop: bool = False  # to the largest box
    margin: float = 0.1  # of the box's width and height, on each side
    upright: bool = False  # pixels as people see them, for readers that know nothing of EXIF
    links: bool = True  # hard links where the disk has them, else copies


@dataclass(frozen=True, slots=True)
class Frame:
    """What of a photo is exported, and how large it becomes."""

    part: Box
    width_px: int
    height_px: int


def frame_of(photo: KeptPhoto, rendering: Rendering) -> Frame:
    """The part of the photo that is exported and its size; the whole where there is no box to cut to."""
    if rendering.resize_px is None and not rendering.crop:
        return Frame(Box(0, 0, photo.width_px, photo.height_px), photo.width_px, photo.height_px)
    part = Box(0, 0, photo.width_px, photo.height_px)
    if rendering.crop and photo.boxes:
        part = _widened(max(photo.boxes, key=lambda box: box.area_px), photo, rendering.margin)
    width, height = part.right_px - part.left_px, part.bottom_px - part.top_px
    longest = max(width, height)
    if rendering.resize_px and longest > rendering.resize_px:
        factor = rendering.resize_px / longest
        width, height = max(1, round(width * factor)), max(1, round(height * factor))
    return Frame(part, width, height)


def boxes_in(frame: Frame, photo: KeptPhoto) -> list[Box]:
    """The photo's boxes as they lie in the exported picture, those that lie in it at all."""
    if not photo.boxes:
        return []
    part = frame.part
    factors = frame.width_px / (part.right_px - part.left_px), frame.height_px / (part.bottom_px - part.top_px)
    found = []
    for box in photo.boxes:
        left, right = (_within((x - part.left_px) * factors[0], frame.width_px) for x in (box.left_px, box.right_px))
        top, bottom = (_within((y - part.top_px) * factors[1], frame.height_px) for y in (box.top_px, box.bottom_px))
        if left < right and top < bottom:
            found.append(Box(left, top, right, bottom))
    return found


def is_rendered(photo: KeptPhoto, rendering: Rendering) -> bool:
    """Whether its bytes cannot go out as they are."""
    if photo.ext not in LOADABLE or (rendering.upright and photo.exif_orientation != 1):
        return True
    if rendering.resize_px is None and not rendering.crop:
        return False
    frame = frame_of(photo, rendering)
    return (rendering.crop and bool(photo.boxes)) or (frame.width_px, frame.height_px) != (
        photo.width_px,
        photo.height_px,
    )


def exported_ext(photo: KeptPhoto, rendering: Rendering) -> str:
    """The extension of the exported file, without a dot."""
    return "jpg" if is_rendered(photo, rendering) else photo.ext


def render(blob: str, target: str, frame: Frame) -> None:
    """In a worker: writes the picture as a JPEG, upright, at a quality that keeps its SSIM above 0.97."""
    with Image.open(blob) as image:
        image.seek(0)
        upright = flat_rgb(ImageOps.exif_transpose(image))
    part = frame.part
    if (part.right_px - part.left_px, part.bottom_px - part.top_px) != upright.size:
        upright = upright.crop((part.left_px, part.top_px, part.right_px, part.bottom_px))
    if upright.size != (frame.width_px, frame.height_px):
        upright = upright.resize((frame.width_px, frame.height_px), Image.Resampling.LANCZOS, reducing_gap=3.0)
    with open(target, "wb") as file:  # noqa: PTH123 - one of very many
        file.write(encoded(upright))


def encoded(picture: Image.Image) -> bytes:
    """The JPEG of an RGB picture, at the least of a few qualities whose SSIM is above 0.97."""
    light = np.asarray(picture.convert("L"), dtype=np.float32)
    data = b""
    for quality, sampling in _QUALITIES:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality, subsampling=sampling, optimize=True)
        data = buffer.getvalue()
        with Image.open(buffer) as again:
            if ssim(light, np.asarray(again.convert("L"), dtype=np.float32)) > LEAST_SSIM:
                break
    return data


def ssim(one: np.ndarray, other: np.ndarray) -> float:
    """Mean structural similarity of two (h, w) arrays of 8-bit light (Wang et al. 2004: Gaussian of 1.5, 11 x 11)."""
    from scipy.ndimage import gaussian_filter  # slow to import, and links do without

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blurred(values: np.ndarray) -> np.ndarray:
        smooth: np.ndarray = gaussian_filter(values, 1.5, radius=5, mode="reflect")
        return smooth

    mean_one, mean_other = blurred(one), blurred(other)
    var_one = blurred(one * one) - mean_one**2
    var_other = blurred(other * other) - mean_other**2
    common = blurred(one * other) - mean_one * mean_other
    alike = (2 * mean_one * mean_other + c1) * (2 * common + c2)
    return float((alike / ((mean_one**2 + mean_other**2 + c1) * (var_one + var_other + c2))).mean())


def _widened(box: Box, photo: KeptPhoto, margin: float) -> Box:
    across = round((box.right_px - box.left_px) * margin)
    down = round((box.bottom_px - box.top_px) * margin)
    return Box(
        max(0, box.left_px - across),
        max(0, box.top_px - down),
        min(photo.width_px, box.right_px + across),
        min(photo.height_px, box.bottom_px + down),
    )


def _within(value: float, limit: int) -> int:
    return min(limit, max(0, round(value)))
