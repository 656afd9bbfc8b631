"""Pictures in one form: upright, RGB, 8 bits; and small enough for a page."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

_SIDE_PX = 160  # of a picture on a page


def flat_rgb(image: Image.Image) -> Image.Image:
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


def small_data_uri(thumbnail: Path) -> str:
    """A data URI of a small JPEG, for a page that stands alone; empty where the thumbnail is missing."""
    try:
        with Image.open(thumbnail, formats=["JPEG"]) as image:
            image.draft("RGB", (_SIDE_PX, _SIDE_PX))
            image.thumbnail((_SIDE_PX, _SIDE_PX))
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=80)
    except OSError:
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
