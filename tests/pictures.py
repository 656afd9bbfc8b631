"""Drawn cars for tests of stages that look at pictures."""

import io

from PIL import Image

from carharvest.sample.gallery import item_bytes, plan_gallery


def scene(seed: int) -> Image.Image:
    """A drawn car, different for each seed, 480 px wide."""
    items = plan_gallery(seed, photos=84)
    item = next(item for item in items if item.trouble is None)
    with Image.open(io.BytesIO(item_bytes(items, item))) as picture:
        drawn = picture.convert("RGB")
    drawn.thumbnail((480, 480))
    return drawn


def coded(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
