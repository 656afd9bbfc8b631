"""Text and banners laid over a picture: a site's name across it, a dealer's bar below. Needs OpenCV.

Letters are small bright or dark marks of like height in a row (what is left when a top-hat takes the picture away); a
banner is a bar of one colour along an edge, with marks in it and a straight inner edge.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_SIDE_PX = 448
_MARK = 34  # of 255: least contrast of a letter with what it lies on
_BAR_MARK = 40  # of 255: the same in a banner
_BAR_MOST = 0.28  # of the height
_BAR_LEAST = 0.035


@dataclass(frozen=True, slots=True)
class Overlay:
    """What lies over a picture."""

    letters: int  # in the longest row
    banner: float  # height of the bar as a share of the picture's, 0 without one


def overlay(thumbnail: bytes) -> Overlay | None:
    """What lies over the picture of a thumbnail; None where it does not decode."""
    light = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
    if light is None or min(light.shape) < 16:
        return None
    scale = _SIDE_PX / max(light.shape)
    size = max(16, round(light.shape[1] * scale)), max(16, round(light.shape[0] * scale))
    light = cv2.resize(light, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return Overlay(_longest_row(light), max(_bar(light), _bar(light[::-1])))


def _longest_row(light: np.ndarray) -> int:
    side = max(3, round(0.03 * max(light.shape))) | 1
    kernel = np.ones((side, side), np.uint8)
    longest = 0
    for operation in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT):
        marks = (cv2.morphologyEx(light, operation, kernel) > _MARK).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(marks, connectivity=8)
        longest = max(longest, _row(stats[1:].astype(np.float64), light.shape[0]))
    return longest


def _row(stats: np.ndarray, picture_height: int) -> int:
    """Most marks of like height side by side on one line. stats: (n, 5) of left, top, width, height, area."""
    left, top, width, height, area = stats.T
    is_letter = (height >= 0.018 * picture_height) & (height <= 0.16 * picture_height) & (height >= 5)
    is_letter &= (width <= 2.2 * height) & (width >= 0.12 * height) & (area >= 0.18 * width * height)
    order = np.flatnonzero(is_letter)
    order = order[np.argsort(left[order])]
    left, width, height, middle = left[order], width[order], height[order], (top + height / 2)[order]
    longest = 0
    for place in range(len(order)):
        beside = np.abs(middle - middle[place]) < 0.35 * height[place]
        beside &= (height > 0.55 * height[place]) & (height < 1.5 * height[place])
        row = np.flatnonzero(beside)
        if len(row) <= longest:
            continue
        is_next = left[row][1:] - (left + width)[row][:-1] < 1.3 * height[place]
        breaks = np.flatnonzero(np.concatenate([[True], ~is_next, [True]]))
        longest = max(longest, int(np.diff(breaks).max()))
    return longest


def _bar(light: np.ndarray) -> float:
    """Height of the bar along the top edge, as a share; 0 where there is none."""
    height = len(light)
    rows = light[: int(_BAR_MOST * height)].astype(np.int16)
    middle = np.median(rows, axis=1)
    colour = float(np.median(rows[1:4]))
    is_plain = (np.abs(rows - middle[:, None]) <= 8).mean(axis=1) >= 0.55
    is_bar = (np.abs(middle - colour) <= 6) & is_plain
    if not is_bar[1] or is_bar[1:].all():
        return 0.0
    end = int(np.argmin(is_bar[1:])) + 1
    if end >= len(rows) - 1 or end < _BAR_LEAST * height:
        return 0.0
    inside, outside = np.median(light[max(0, end - 3) : end], axis=0), np.median(light[end + 1 : end + 4], axis=0)
    is_straight = (np.abs(inside - outside) >= 12).mean() >= 0.5
    marks = float((np.abs(rows[1 : end - 1] - colour) >= _BAR_MARK).mean())
    return round(end / height, 3) if is_straight and 0.01 <= marks <= 0.35 else 0.0
