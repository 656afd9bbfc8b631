"""A car as flat faces in space: a body from a side profile, a cabin, and a make's face on it."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from carharvest.sample.makes import Body, Colour, Make

Point = tuple[float, float]

GLASS, TYRE, RIM, DARK = (52, 66, 80), (28, 28, 30), (172, 176, 182), (34, 36, 40)
LAMP, TAIL, PLATE, CHROME = (238, 244, 250), (190, 20, 28), (240, 240, 232), (205, 210, 216)


@dataclass(frozen=True, slots=True)
class Shape:
    """Metres. x runs forward, z up. `outline` goes from the front bottom over the top to the rear bottom."""

    outline: tuple[Point, ...]
    cabin: tuple[Point, Point, Point, Point]  # foot of the windscreen, roof front, roof rear, foot of the rear window
    width: float
    wheel: float
    axles: tuple[float, float]


SHAPES: dict[Body, Shape] = {
    "saloon": Shape(
        ((2.25, 0.28), (2.30, 0.55), (2.20, 0.80), (1.10, 0.96), (-1.45, 1.00), (-2.20, 0.98), (-2.28, 0.60), (-2.22, 0.30)),
        ((1.10, 0.96), (0.35, 1.43), (-0.85, 1.41), (-1.55, 1.00)), 1.80, 0.33, (1.40, -1.35),
    ),
    "hatchback": Shape(
        ((1.95, 0.28), (2.00, 0.55), (1.90, 0.82), (1.00, 0.98), (-1.60, 1.02), (-1.90, 0.95), (-1.95, 0.60), (-1.90, 0.30)),
        ((1.00, 0.98), (0.35, 1.48), (-1.40, 1.45), (-1.85, 1.00)), 1.75, 0.32, (1.25, -1.25),
    ),
    "estate": Shape(
        ((2.25, 0.28), (2.30, 0.55), (2.20, 0.80), (1.10, 0.96), (-1.80, 1.00), (-2.25, 0.96), (-2.30, 0.60), (-2.24, 0.30)),
        ((1.10, 0.96), (0.40, 1.46), (-1.85, 1.44), (-2.22, 0.99)), 1.80, 0.33, (1.40, -1.35),
    ),
    "suv": Shape(
        ((2.15, 0.40), (2.22, 0.75), (2.12, 1.05), (1.15, 1.16), (-1.75, 1.20), (-2.15, 1.15), (-2.22, 0.78), (-2.15, 0.42)),
        ((1.15, 1.16), (0.55, 1.74), (-1.70, 1.72), (-2.10, 1.18)), 1.90, 0.40, (1.38, -1.34),
    ),
    "coupe": Shape(
        ((2.20, 0.25), (2.28, 0.48), (2.15, 0.72), (0.90, 0.88), (-1.60, 0.94), (-2.10, 0.92), (-2.20, 0.55), (-2.15, 0.28)),
        ((0.90, 0.88), (0.15, 1.28), (-0.75, 1.26), (-1.85, 0.94)), 1.84, 0.34, (1.38, -1.32),
    ),
    "van": Shape(
        ((2.20, 0.34), (2.26, 0.70), (2.15, 1.05), (1.55, 1.18), (-2.00, 1.20), (-2.20, 1.18), (-2.24, 0.70), (-2.18, 0.36)),
        ((1.55, 1.18), (0.95, 1.86), (-2.00, 1.86), (-2.18, 1.18)), 1.88, 0.34, (1.42, -1.40),
    ),
}  # fmt: skip


@dataclass(slots=True)
class Face:
    """A flat polygon, (k, 3) metres, seen only from the side its normal points to; decals are drawn on top of it."""

    points: np.ndarray
    colour: Colour
    decals: list["Face"] = field(default_factory=list)


def build_car(make: Make, body: Body, paint: Colour) -> list[Face]:
    """The faces of a car of the make; its middle stands on the origin."""
    shape = SHAPES[body]
    half = shape.width / 2
    faces = _hull(shape, half, paint)
    faces += _cabin(shape, half, paint)
    faces[0].decals += _front(make, shape, half)
    faces[1].decals += _rear(make, shape, half)
    for side, y in ((2, half), (3, -half)):
        faces[side].decals += _side(make, shape, y, paint)
    return faces + _treads(shape, half)


def _hull(shape: Shape, half: float, paint: Colour) -> list[Face]:
    """Front, rear, left and right first; then the bonnet and what else closes the top."""
    outline = shape.outline
    (fx, fz), (tx, tz) = outline[0], outline[2]
    (rx, rz), (bx, bz) = outline[-1], outline[-3]
    front = _quad((fx, half, fz), (fx, -half, fz), (tx, -half, tz), (tx, half, tz), paint)
    rear = _quad((rx, -half, rz), (rx, half, rz), (bx, half, bz), (bx, -half, bz), paint)
    left = Face(np.array([(x, half, z) for x, z in outline]), paint)
    right = Face(np.array([(x, -half, z) for x, z in reversed(outline)]), paint)
    top = [
        _quad((x1, half, z1), (x1, -half, z1), (x2, -half, z2), (x2, half, z2), paint)
        for (x1, z1), (x2, z2) in pairwise(outline[2:-2])
    ]
    return [front, rear, left, right, *top]


def _cabin(shape: Shape, half: float, paint: Colour) -> list[Face]:
    (wx, wz), (fx, fz), (rx, rz), (bx, bz) = shape.cabin
    low, high = half * 0.95, half * 0.74
    screen = _quad((wx, low, wz), (wx, -low, wz), (fx, -high, fz), (fx, high, fz), paint)
    back = _quad((bx, -low, bz), (bx, low, bz), (rx, high, rz), (rx, -high, rz), paint)
    roof = _quad((fx, high, fz), (fx, -high, fz), (rx, -high, rz), (rx, high, rz), paint)
    left = _quad((bx, low, bz), (wx, low, wz), (fx, high, fz), (rx, high, rz), paint)
    right = _quad((wx, -low, wz), (bx, -low, bz), (rx, -high, rz), (fx, -high, fz), paint)
    screen.decals.append(_panel(screen, [(-0.92, 0.06), (0.92, 0.06), (0.90, 0.92), (-0.90, 0.92)], GLASS))
    back.decals.append(_panel(back, [(-0.86, 0.15), (0.86, 0.15), (0.84, 0.90), (-0.84, 0.90)], GLASS))
    for face in (left, right):
        face.decals.append(_panel(face, [(-0.86, 0.10), (-0.08, 0.10), (-0.08, 0.88), (-0.84, 0.88)], GLASS))
        face.decals.append(_panel(face, [(0.0, 0.10), (0.84, 0.10), (0.82, 0.88), (0.0, 0.88)], GLASS))
    return [screen, back, roof, left, right]


def _front(make: Make, shape: Shape, half: float) -> list[Face]:
    """Decals of the front, drawn in units of the panel: u from -1 to 1 across, v from 0 to 1 up."""
    (fx, fz), (tx, tz) = shape.outline[0], shape.outline[2]
    panel = _quad((fx, half, fz), (fx, -half, fz), (tx, -half, tz), (tx, half, tz), DARK)
    decals = [_panel(panel, _box(0, 0.12, 0.66, 0.10), DARK), _panel(panel, _box(0, 0.27, 0.26, 0.06), PLATE)]
    for u, v, w, h in _grille_openings(make):
        corners = _box(u, v, w, h) if make.grille not in {"oval", "kidney"} else _round(u, v, w, h)
        if make.grille == "hexagon":
            corners = [
                (u - w, v),
                (u - 0.6 * w, v - h),
                (u + 0.6 * w, v - h),
                (u + w, v),
                (u + 0.6 * w, v + h),
                (u - 0.6 * w, v + h),
            ]
        elif make.grille in {"trapezoid", "mouth"}:
            wide, narrow = (1.0, 0.68) if make.grille == "trapezoid" else (0.72, 1.0)
            corners = [(u - wide * w, v - h), (u + wide * w, v - h), (u + narrow * w, v + h), (u - narrow * w, v + h)]
        elif make.grille == "shield":
            corners = [
                (u - w, v + h),
                (u + w, v + h),
                (u + 0.7 * w, v - 0.3 * h),
                (u, v - h),
                (u - 0.7 * w, v - 0.3 * h),
            ]
        frame = [(u + (x - u) * 1.07, v + (y - v) * 1.12) for x, y in corners]
        decals += [_panel(panel, frame, CHROME), _panel(panel, corners, (22, 22, 25))]
        decals += [_panel(panel, slat, CHROME) for slat in _slats(make, u, v, w, h)]
    for side in (-1, 1):
        decals += [_panel(panel, [(side * u, v) for u, v in lamp], LAMP) for lamp in _lamps(make)]
    decals += _badge(make, panel, 0.0, 0.62 if make.grille not in {"none", "slots", "bar"} else 0.72, 0.17)
    return decals


def _rear(make: Make, shape: Shape, half: float) -> list[Face]:
    (rx, rz), (bx, bz) = shape.outline[-1], shape.outline[-3]
    panel = _quad((rx, -half, rz), (rx, half, rz), (bx, half, bz), (bx, -half, bz), DARK)
    decals = [_panel(panel, _box(0, 0.10, 0.80, 0.08), DARK), _panel(panel, _box(0, 0.36, 0.27, 0.07), PLATE)]
    if make.tail == "bar":
        decals.append(_panel(panel, _box(0, 0.76, 0.95, 0.05), TAIL))
    for side in (-1, 1):
        boxes: list[list[Point]] = {
            "bar": [_box(0.80, 0.73, 0.16, 0.10)],
            "tall": [_box(0.87, 0.72, 0.09, 0.26)],
            "round": [_round(0.76, 0.70, 0.13, 0.15)],
            "square": [_box(0.78, 0.70, 0.16, 0.13)],
            "corner": [[(0.58, 0.80), (0.96, 0.84), (0.96, 0.58), (0.86, 0.58), (0.84, 0.70), (0.58, 0.70)]],
            "twin": [_round(0.62, 0.72, 0.09, 0.11), _round(0.84, 0.72, 0.09, 0.11)],
        }[make.tail]
        decals += [_panel(panel, [(side * u, v) for u, v in box], TAIL) for box in boxes]
    decals += _badge(make, panel, 0.0, 0.66, 0.17)
    return decals


def _side(make: Make, shape: Shape, y: float, paint: Colour) -> list[Face]:
    out = math.copysign(0.012, y)
    decals = []
    for axle in shape.axles:
        decals.append(_disc(axle, y + out, shape.wheel + 0.02, shape.wheel * 1.18, DARK))
        decals.append(_disc(axle, y + 2 * out, shape.wheel, shape.wheel, TYRE))
        decals.append(_disc(axle, y + 3 * out, shape.wheel, shape.wheel * 0.66, _between(RIM, make.badge_colours[0])))
        for spoke in range(make.spokes):
            angle = 2 * math.pi * (spoke + 0.5) / make.spokes
            decals.append(_wedge(axle, y + 4 * out, shape.wheel, shape.wheel * 0.60, angle, 1.1 / make.spokes))
        decals.append(_disc(axle, y + 5 * out, shape.wheel, shape.wheel * 0.17, make.badge_colours[0]))
    red, green, blue = (int(c * 0.62) for c in paint)
    top, bottom = shape.cabin[0][1] - 0.02, shape.outline[0][1] + 0.12
    for x in (0.62, -0.28, -0.98):
        decals.append(_upright(x, y + out, bottom, top, 0.014, (red, green, blue)))
    # A make's own line along the doors, in its colour, at its height.
    sill = bottom + (top - bottom) * (0.18 + 0.05 * (make.spokes % 4))
    ends = (shape.axles[0] - shape.wheel * 1.3, shape.axles[1] + shape.wheel * 1.3)
    trim = np.array([(x, y + out, z) for x, z in _corners(ends, sill, 0.035)])
    decals.append(Face(trim, make.badge_colours[0]))
    for x in (-0.12, -0.84):
        decals.append(_upright(x, y + 2 * out, top - 0.13, top - 0.09, 0.09, CHROME))
    return decals


def _treads(shape: Shape, half: float) -> list[Face]:
    """The tyres as they are seen from before and behind."""
    faces = []
    for x in shape.axles:
        for y in (half - 0.13, -half + 0.13):
            left, right, top = y + 0.11, y - 0.11, shape.wheel * 1.6
            faces.append(_quad((x, left, 0), (x, right, 0), (x, right, top), (x, left, top), TYRE))
            faces.append(_quad((x, right, 0), (x, left, 0), (x, left, top), (x, right, top), TYRE))
    return faces


def _grille_openings(make: Make) -> list[tuple[float, float, float, float]]:
    """Middle and half sizes of each opening: u, v, half width, half height."""
    openings: dict[str, list[tuple[float, float, float, float]]] = {
        "kidney": [(-0.15, 0.56, 0.13, 0.19), (0.15, 0.56, 0.13, 0.19)],
        "hexagon": [(0, 0.52, 0.42, 0.30)],
        "bar": [(0, 0.70, 0.52, 0.05)],
        "trapezoid": [(0, 0.50, 0.46, 0.24)],
        "oval": [(0, 0.56, 0.34, 0.17)],
        "shield": [(0, 0.58, 0.34, 0.26)],
        "double-bar": [(0, 0.60, 0.40, 0.20)],
        "mesh": [(0, 0.56, 0.40, 0.20)],
        "slots": [(0, 0.56, 0.42, 0.17)],
        "mouth": [(0, 0.42, 0.60, 0.16)],
        "none": [],
    }
    return openings[make.grille]


def _slats(make: Make, u: float, v: float, w: float, h: float) -> list[list[Point]]:
    if make.grille in {"slots", "kidney", "trapezoid"}:
        count = {"slots": 8, "kidney": 4, "trapezoid": 5}[make.grille]
        return [_box(u + w * (2 * (i + 1) / (count + 1) - 1) * 0.92, v, 0.010, h * 0.86) for i in range(count)]
    if make.grille in {"double-bar", "hexagon", "mouth"}:
        count = {"double-bar": 2, "hexagon": 4, "mouth": 3}[make.grille]
        narrow = 0.94 if make.grille == "double-bar" else 0.62
        return [_box(u, v + h * (2 * (i + 1) / (count + 1) - 1), w * narrow, 0.018) for i in range(count)]
    if make.grille == "mesh":
        across = [_box(u, v + h * (2 * i / 5 - 1), w * 0.95, 0.010) for i in range(1, 5)]
        along = [_box(u + w * (2 * i / 9 - 1), v, 0.007, h * 0.95) for i in range(1, 9)]
        slash = [(u - w, v - h), (u - w + 0.05, v - h), (u + w, v + h), (u + w - 0.05, v + h)]
        return [*across, *along, slash]
    return []


def _lamps(make: Make) -> list[list[Point]]:
    return {
        "round": [_round(0.74, 0.68, 0.13, 0.17)],
        "slim": [_box(0.74, 0.74, 0.22, 0.045)],
        "wedge": [[(0.48, 0.66), (0.94, 0.62), (0.96, 0.84), (0.60, 0.76)]],
        "square": [_box(0.75, 0.68, 0.17, 0.11)],
        "twin": [_round(0.64, 0.68, 0.09, 0.12), _round(0.85, 0.68, 0.09, 0.12)],
        "tall": [[(0.68, 0.52), (0.90, 0.52), (0.96, 0.88), (0.80, 0.90)]],
    }[make.lamp]


def badge_shapes(make: Make) -> list[tuple[list[Point], Colour]]:
    """The badge in a square from -1 to 1, lowest layer first."""
    first, second = make.badge_colours
    disc, dark = _round(0, 0, 1, 1), (30, 30, 34)
    shapes: dict[str, list[tuple[list[Point], Colour]]] = {
        "disc": [
            (disc, dark),
            (_round(0, 0, 0.8, 0.8), first),
            ([(0, 0), (0.8, 0), (0.57, 0.57), (0, 0.8)], second),
            ([(0, 0), (-0.8, 0), (-0.57, -0.57), (0, -0.8)], second),
        ],
        "rings": [
            layer
            for x in (-1.35, -0.45, 0.45, 1.35)
            for layer in ((_round(x, 0, 0.62, 0.62), first), (_round(x, 0, 0.42, 0.42), dark))
        ],
        "star": [(disc, first), (_round(0, 0, 0.84, 0.84), dark), *((_ray(a), first) for a in (90, 210, 330))],
        "diamond": [([(0, -1.3), (0.8, 0), (0, 1.3), (-0.8, 0)], first), ([(0, -0.8), (0.45, 0), (0, 0.8), (-0.45, 0)], second)],
        "chevrons": [
            ([(-1, base), (0, base + 0.8), (1, base), (1, base + 0.4), (0, base + 1.2), (-1, base + 0.4)], first)
            for base in (-1.0, -0.2)
        ],
        "oval": [(_round(0, 0, 1.5, 0.85), second), (_round(0, 0, 1.35, 0.70), first), (_round(0, 0, 0.5, 0.70), second), (_round(0, 0, 0.3, 0.5), first)],
        "cross": [(disc, second), (_box(0, 0, 0.25, 0.9), first), (_box(0, 0, 0.9, 0.25), first)],
        "triangle": [([(-1.1, 0.9), (1.1, 0.9), (0, -1.1)], first), ([(-0.6, 0.6), (0.6, 0.6), (0, -0.5)], second)],
        "square": [(_box(0, 0, 1, 1), first), (_box(0, 0, 0.78, 0.78), second), *((_box(x, 0, 0.13, 0.6), first) for x in (-0.5, 0, 0.5))],
        "arrow": [(disc, dark), (_round(0, 0, 0.85, 0.85), first), ([(-0.6, -0.15), (0.2, -0.15), (0.2, -0.5), (0.7, 0), (0.2, 0.5), (0.2, 0.15), (-0.6, 0.15)], second)],
        "half": [(disc, first), (_round(0, 0, 0.72, 0.72), dark), (_box(0, 0, 1.0, 0.26), second), ([(0.5, 0.7), (1.2, 1.3), (1.2, 0.5)], first)],
    }  # fmt: skip
    return shapes[make.badge]


def _badge(make: Make, panel: Face, u: float, v: float, size: float) -> list[Face]:
    stretch = _aspect(panel)
    return [
        _panel(panel, [(u + x * size, v + y * size * stretch) for x, y in points], colour)
        for points, colour in badge_shapes(make)
    ]


def _aspect(panel: Face) -> float:
    """How much taller than wide a unit of the panel has to be drawn to look square."""
    a, b, _, d = panel.points
    return float(np.linalg.norm(b - a) / 2 / np.linalg.norm(d - a))


def _panel(panel: Face, outline: list[Point], colour: Colour) -> Face:
    """A decal on a quad: u from -1 (left, as one looks at it) to 1, v from 0 up to 1."""
    a, b, c, d = panel.points
    points = []
    for u, v in outline:
        s = (1 - u) / 2
        points.append((a * (1 - s) + b * s) * (1 - v) + (d * (1 - s) + c * s) * v)
    return Face(np.array(points), colour)


def _quad(
    a: tuple[float, ...], b: tuple[float, ...], c: tuple[float, ...], d: tuple[float, ...], colour: Colour
) -> Face:
    return Face(np.array([a, b, c, d]), colour)


def _corners(ends: Point, middle: float, half: float) -> tuple[Point, Point, Point, Point]:
    first, last = ends
    return (first, middle - half), (last, middle - half), (last, middle + half), (first, middle + half)


def _between(first: Colour, second: Colour) -> Colour:
    r, g, b = ((a + z) // 2 for a, z in zip(first, second, strict=True))
    return r, g, b


def _box(u: float, v: float, w: float, h: float) -> list[Point]:
    return [(u - w, v - h), (u + w, v - h), (u + w, v + h), (u - w, v + h)]


def _round(u: float, v: float, w: float, h: float, corners: int = 20) -> list[Point]:
    angles = [2 * math.pi * i / corners for i in range(corners)]
    return [(u + w * math.cos(a), v + h * math.sin(a)) for a in angles]


def _ray(degrees: float) -> list[Point]:
    angle, side = math.radians(degrees), math.radians(degrees + 90)
    tip = (0.86 * math.cos(angle), 0.86 * math.sin(angle))
    foot = (0.16 * math.cos(side), 0.16 * math.sin(side))
    return [tip, foot, (-foot[0], -foot[1])]


def _disc(x: float, y: float, z: float, radius: float, colour: Colour) -> Face:
    angles = np.linspace(0, 2 * np.pi, 28, endpoint=False)
    return Face(np.stack([x + radius * np.cos(angles), np.full(28, y), z + radius * np.sin(angles)], axis=1), colour)


def _wedge(x: float, y: float, z: float, radius: float, angle: float, half: float) -> Face:
    points = [(x, y, z)] + [
        (x + radius * math.cos(a), y, z + radius * math.sin(a)) for a in (angle - half, angle + half)
    ]
    return Face(np.array(points), (70, 74, 80))


def _upright(x: float, y: float, low: float, high: float, half: float, colour: Colour) -> Face:
    return Face(np.array([(x - half, y, low), (x + half, y, low), (x + half, y, high), (x - half, y, high)]), colour)
