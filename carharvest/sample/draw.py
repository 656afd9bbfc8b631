"""Draws a photo of a car: a scene, a camera, light and noise; the same for the same seed."""

import math
import random
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from carharvest.records import View
from carharvest.sample.car import Face, badge_shapes, build_car
from carharvest.sample.makes import Body, Colour, Make
from carharvest.text import to_ascii

_SCALE = 2  # drawn at twice the size and reduced: smooth edges
_LIGHT = np.array([0.35, 0.45, 0.82])
_AZIMUTH: dict[View, float] = {
    "front": 0, "front-left": 38, "side": 90, "rear-left": 142, "rear": 180, "rear-right": 218, "front-right": 322,
}  # fmt: skip
_PAINTS: dict[str, Colour] = {
    "white": (232, 232, 230), "black": (42, 43, 47), "silver": (178, 182, 186), "grey": (110, 114, 120),
    "red": (178, 28, 34), "blue": (34, 74, 150), "green": (44, 98, 66), "yellow": (222, 180, 40), "brown": (112, 78, 54),
    "orange": (214, 108, 30),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scene:
    """What a photo shows; everything else follows from the seed."""

    make: Make
    view: View
    body: Body
    paint: str
    size: tuple[int, int]
    seed: int


def random_scene(make: Make, view: View, rng: random.Random) -> Scene:
    """A scene of a make from a side, with body, colour and format drawn by chance."""
    size = rng.choice([(640, 480), (640, 427), (720, 480), (768, 512), (600, 450), (640, 360)])
    return Scene(make, view, rng.choice(make.bodies), rng.choice(sorted(_PAINTS)), size, rng.randrange(2**32))


def draw_scene(scene: Scene) -> Image.Image:
    """The photo, RGB."""
    rng = random.Random(scene.seed)
    width, height = (side * _SCALE for side in scene.size)
    picture = Image.new("RGB", (width, height))
    draw = ImageDraw.Draw(picture)
    horizon = int(height * rng.uniform(0.34, 0.52))
    _backdrop(draw, width, height, horizon, rng)
    jitter = tuple(rng.randint(-14, 14) for _ in range(3))
    red, green, blue = (min(250, max(12, c + j)) for c, j in zip(_PAINTS[scene.paint], jitter, strict=True))
    camera = _Camera(scene.view, (width, height), rng)
    _shadow(picture, camera)
    _render(draw, build_car(scene.make, scene.body, (red, green, blue)), camera)
    picture = picture.resize(scene.size, Image.Resampling.BOX)
    return _developed(picture, rng)


def draw_logo(make: Make, rng: random.Random) -> Image.Image:
    """The badge alone on a plain ground, and the name under it: what a search for a brand also brings."""
    side = rng.choice([300, 400, 512])
    ground = rng.choice([(255, 255, 255), (246, 246, 246), (20, 22, 26)])
    picture = Image.new("RGB", (side * _SCALE, side * _SCALE), ground)
    draw = ImageDraw.Draw(picture)
    size, middle = side * _SCALE * rng.uniform(0.16, 0.22), side * _SCALE / 2
    for points, colour in badge_shapes(make):
        draw.polygon([(middle + x * size, middle * 0.9 - y * size) for x, y in points], fill=colour)
    ink = (20, 20, 24) if ground[0] > 100 else (240, 240, 240)
    draw.text((middle, middle * 1.55), to_ascii(make.name).upper(), fill=ink, anchor="mm", font_size=side * _SCALE // 9)
    return picture.resize((side, side), Image.Resampling.BOX)


def watermarked(picture: Image.Image, text: str, rng: random.Random) -> Image.Image:
    """The picture with a site's name across it, and sometimes a dealer's banner below."""
    layer = picture.convert("RGBA")
    overlay = Image.new("RGBA", layer.size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(overlay)
    width, height = layer.size
    if rng.random() < 0.5:
        draw.rectangle((0, height * 0.9, width, height), fill=(20, 40, 110, 235))
        draw.text((width / 2, height * 0.95), text, fill=(255, 255, 255, 255), anchor="mm", font_size=height // 16)
    else:
        spot = (width * rng.uniform(0.35, 0.65), height * rng.uniform(0.3, 0.8))
        draw.text(spot, text, fill=(255, 255, 255, 150), anchor="mm", font_size=height // 10)
    return Image.alpha_composite(layer, overlay).convert("RGB")


class _Camera:
    """A pinhole camera that looks at the car from a side."""

    def __init__(self, view: View, size: tuple[int, int], rng: random.Random) -> None:
        width, height = size
        side = _AZIMUTH[view] if view != "side" or rng.random() < 0.5 else 270
        azimuth = math.radians(side + rng.uniform(-11, 11))
        elevation = math.radians(rng.uniform(5, 17))
        distance = rng.uniform(7.0, 9.5)
        target = np.array([rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3), rng.uniform(0.55, 0.95)])
        towards = np.array(
            [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
        )
        self.position = target + distance * towards
        right = np.cross(-towards, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        self._axes = np.stack([right, np.cross(right, -towards), -towards])
        extent = 3.0 if view in {"front", "rear"} else 4.7
        self._focal = min(width * rng.uniform(0.76, 0.95) / extent, height * 0.72 / 1.9) * distance
        self._middle = np.array([width * rng.uniform(0.46, 0.54), height * rng.uniform(0.52, 0.64)])

    def depth(self, points: np.ndarray) -> float:
        return float(((points - self.position) @ self._axes[2]).mean())

    def project(self, points: np.ndarray) -> list[tuple[float, float]]:
        seen = (points - self.position) @ self._axes.T
        flat = seen[:, :2] / seen[:, 2:] * self._focal
        return [(self._middle[0] + x, self._middle[1] - y) for x, y in flat]


def _render(draw: ImageDraw.ImageDraw, faces: list[Face], camera: _Camera) -> None:
    for face in sorted(faces, key=lambda f: -camera.depth(f.points)):
        normal = _normal(face.points)
        if normal @ (camera.position - face.points.mean(axis=0)) <= 0:
            continue
        light = 0.58 + 0.42 * max(0.0, float(normal @ _LIGHT))
        draw.polygon(
            camera.project(face.points), fill=_lit(face.colour, light), outline=_lit(face.colour, light * 0.72)
        )
        for decal in face.decals:
            draw.polygon(camera.project(decal.points), fill=_lit(decal.colour, 0.5 + 0.5 * light))


def _normal(points: np.ndarray) -> np.ndarray:
    """Newell's method: the outward normal of a polygon whose corners run clockwise as seen from outside."""
    following = np.roll(points, -1, axis=0)
    normal = np.cross(following, points).sum(axis=0)
    return np.asarray(normal / np.linalg.norm(normal))


def _shadow(picture: Image.Image, camera: _Camera) -> None:
    angles = np.linspace(0, 2 * np.pi, 40)
    ground = np.stack([2.5 * np.cos(angles), 1.15 * np.sin(angles), np.zeros(40)], axis=1)
    mask = Image.new("L", picture.size, 0)
    ImageDraw.Draw(mask).polygon(camera.project(ground), fill=120)
    mask = mask.reduce(8).filter(ImageFilter.GaussianBlur(2)).resize(picture.size)
    picture.paste((12, 12, 16), mask=mask)


def _backdrop(draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int, rng: random.Random) -> None:
    sky_top, sky_low, ground = rng.choice(
        [
            ((96, 150, 214), (206, 224, 240), (112, 112, 114)),
            ((168, 176, 186), (214, 218, 222), (96, 98, 102)),
            ((58, 60, 98), (236, 158, 104), (74, 70, 72)),
            ((140, 186, 226), (226, 236, 240), (104, 132, 78)),
            ((222, 224, 228), (242, 242, 244), (196, 198, 202)),
            ((34, 40, 58), (88, 92, 112), (52, 54, 60)),
            ((180, 200, 210), (232, 226, 206), (190, 166, 124)),
        ]
    )
    for row in range(0, horizon, 4):
        draw.rectangle((0, row, width, row + 4), fill=_mixed(sky_top, sky_low, row / horizon))
    for row in range(horizon, height, 4):
        near = (row - horizon) / (height - horizon)
        draw.rectangle((0, row, width, row + 4), fill=_mixed(ground, _lit(ground, 0.72), near))
    rng.choice([_houses, _hills, _trees, _hall])(draw, width, height, horizon, rng)
    for _ in range(rng.randint(2, 6)):  # patches and lines on the ground
        x, y = rng.uniform(-0.2, 1.0) * width, rng.uniform(horizon, height)
        long, high = rng.uniform(0.05, 0.5) * width, rng.uniform(0.006, 0.04) * height
        draw.polygon(
            [(x, y), (x + long, y), (x + long * 0.9, y + high), (x - long * 0.1, y + high)],
            fill=_lit(ground, rng.uniform(0.7, 1.5)),
        )


def _houses(draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int, rng: random.Random) -> None:
    x = -rng.uniform(0, 0.2) * width
    while x < width:
        wide, high = rng.uniform(0.08, 0.3) * width, rng.uniform(0.08, 0.42) * height
        tone = rng.randint(70, 210)
        wall = (tone, int(tone * rng.uniform(0.82, 1.0)), int(tone * rng.uniform(0.7, 1.0)))
        draw.rectangle((x, horizon - high, x + wide, horizon + 4), fill=wall)
        step = rng.uniform(0.03, 0.06) * height
        for wy in np.arange(horizon - high + step, horizon - step, step * 2):
            for wx in np.arange(x + step, x + wide - step, step * 2):
                draw.rectangle((wx, wy, wx + step, wy + step), fill=_lit(wall, rng.choice([0.5, 0.6, 1.3])))
        x += wide + rng.uniform(0, 0.1) * width


def _hills(draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int, rng: random.Random) -> None:
    for tone in (0.9, 0.7):
        green = _lit((96, 128, 92), tone)
        a, b, high = rng.uniform(1, 4), rng.uniform(0, 6), rng.uniform(0.05, 0.2) * height
        ridge = [(x, horizon - high * (1.2 + math.sin(a * x / width * 3 + b)) / 2) for x in range(0, width + 40, 40)]
        draw.polygon([(0, horizon + 4), *ridge, (width, horizon + 4)], fill=green)


def _trees(draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int, rng: random.Random) -> None:
    for _ in range(rng.randint(3, 12)):
        x, high = rng.uniform(0, 1) * width, rng.uniform(0.1, 0.4) * height
        draw.rectangle((x - 8, horizon - high * 0.5, x + 8, horizon + 6), fill=(84, 62, 44))
        leaf = _lit((58, 104, 52), rng.uniform(0.7, 1.3))
        for _ in range(5):
            cx, cy, r = (
                x + rng.uniform(-0.3, 0.3) * high,
                horizon - high * rng.uniform(0.5, 1.0),
                high * rng.uniform(0.15, 0.3),
            )
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=leaf)


def _hall(draw: ImageDraw.ImageDraw, width: int, height: int, horizon: int, rng: random.Random) -> None:
    count = rng.randint(3, 8)
    tone = rng.randint(120, 220)
    for i in range(count):
        shade = tone + rng.randint(-24, 24)
        draw.rectangle(
            (i * width / count, 0, (i + 1) * width / count, horizon), fill=(shade, shade, min(255, shade + 6))
        )
    for i in range(rng.randint(2, 5)):
        x = (i + rng.random()) * width / 5
        draw.rectangle((x, horizon * 0.15, x + width * 0.1, horizon * 0.22), fill=(252, 252, 246))


def _developed(picture: Image.Image, rng: random.Random) -> Image.Image:
    """Exposure, white balance, a little vignette, and the noise of a sensor."""
    values = np.asarray(picture, dtype=np.float32)
    height, width = values.shape[:2]
    gain = rng.uniform(0.78, 1.18) * np.array([rng.uniform(0.95, 1.05), 1.0, rng.uniform(0.94, 1.06)], dtype=np.float32)
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1 - rng.uniform(0.0, 0.16) * (x * x + y * y).astype(np.float32)
    noise = np.random.default_rng(rng.randrange(2**32)).normal(0, rng.uniform(1.5, 7), (height, width, 1))
    return Image.fromarray((values * gain * vignette[..., None] + noise).clip(0, 255).astype(np.uint8))


def _lit(colour: Colour, light: float) -> Colour:
    r, g, b = (max(0, min(255, int(c * light))) for c in colour)
    return r, g, b


def _mixed(first: Colour, second: Colour, share: float) -> Colour:
    r, g, b = (int(a + (z - a) * share) for a, z in zip(first, second, strict=True))
    return r, g, b
