"""Bounding boxes as they were written down, held against the picture: what is sound, mended, or of no use."""

from dataclasses import dataclass

from carharvest.records import Annotation, Box, SaidBox

_SLACK_PX = 1.5  # whether pixels count from 0 or 1, and whether the last one is in, differs from tool to tool
_SAME_SHAPE = 0.01  # difference of width / height up to which a picture is the annotated one in another size


@dataclass(frozen=True, slots=True)
class CheckedBox:
    """What became of a box; None where it is of no use.

    `problems`: `box-swapped` (mended), `box-outside` (cut, if something is left), `box-empty`, `box-other-size`
    (scaled, if the shape is the same).
    """

    box: Box | None
    problems: tuple[str, ...]


def checked_boxes(said: Annotation, width_px: int, height_px: int) -> list[CheckedBox]:
    """Every box of the annotation, for a picture of this size; a box that stands twice counts once."""
    found: list[CheckedBox] = []
    for box in dict.fromkeys(said.boxes):
        found.append(_checked(box, said, width_px, height_px))
    return found


def _checked(said: SaidBox, annotation: Annotation, width_px: int, height_px: int) -> CheckedBox:
    problems = []
    across = down = 1.0
    if said.unit == "share":
        across, down = float(width_px), float(height_px)
    elif annotation.width_px and annotation.height_px and (annotation.width_px, annotation.height_px) != (
        width_px, height_px,
    ):  # fmt: skip
        problems.append("box-other-size")
        if abs(annotation.width_px / annotation.height_px - width_px / height_px) > _SAME_SHAPE:
            return CheckedBox(None, tuple(problems))
        across, down = width_px / annotation.width_px, height_px / annotation.height_px
    left, right = said.left * across, said.right * across
    top, bottom = said.top * down, said.bottom * down
    if left > right or top > bottom:
        problems.append("box-swapped")
        left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
    if min(left, top) < -_SLACK_PX or right > width_px + _SLACK_PX or bottom > height_px + _SLACK_PX:
        problems.append("box-outside")
    sound = Box(_within(left, width_px), _within(top, height_px), _within(right, width_px), _within(bottom, height_px))
    if sound.left_px >= sound.right_px or sound.top_px >= sound.bottom_px:
        return CheckedBox(None, tuple(problems) if "box-outside" in problems else (*problems, "box-empty"))
    return CheckedBox(sound, tuple(problems))


def _within(value: float, limit: int) -> int:
    return min(limit, max(0, round(value)))
