"""Stage `quality`: photos too small, too narrow, blurred, dark, bright or empty to learn from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from carharvest.normalize.base import Scope
from carharvest.records import Evidence, Photo, Verdict
from carharvest.settings import QualitySettings


@dataclass(frozen=True, slots=True)
class QualityStage:
    """Drops what lies beyond a threshold; the evidence is the measured value and the threshold."""

    limits: QualitySettings
    name: str = "quality"
    version: int = 1
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return self.limits.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Verdict]:
        limits = self.limits
        for photo in photos:
            print_ = photo.fingerprint
            short, long = sorted((print_.width_px, print_.height_px))
            aspect = round(long / short, 2)
            findings: list[tuple[str, bool, Evidence]] = [
                ("too-small", short < limits.min_side_px, {"side_px": short, "min_side_px": limits.min_side_px}),
                ("odd-aspect", aspect > limits.max_aspect, {"aspect": aspect, "max_aspect": limits.max_aspect}),
                (
                    "empty",
                    print_.contrast < limits.min_contrast,
                    {"contrast": print_.contrast, "min_contrast": limits.min_contrast},
                ),
                (
                    "dark",
                    print_.brightness < limits.min_brightness,
                    {"brightness": print_.brightness, "min_brightness": limits.min_brightness},
                ),
                (
                    "bright",
                    print_.brightness > limits.max_brightness,
                    {"brightness": print_.brightness, "max_brightness": limits.max_brightness},
                ),
                (
                    "blurred",
                    print_.blur_var < limits.min_blur_var,
                    {"blur_var": print_.blur_var, "min_blur_var": limits.min_blur_var},
                ),
            ]
            for reason, is_beyond, evidence in findings:
                if is_beyond:
                    yield Verdict(photo.id, False, reason, evidence)
                    break  # the first says enough, and one row a photo is plenty
