"""Pictures in one form: upright, RGB, 8 bits."""

import numpy as np
from PIL import Image


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
