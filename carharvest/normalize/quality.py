"""Stage `quality`: photos too small, too narrow, blurred, dark, bright or empty to learn from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from carharvest.normalize.base import Scope
from carharvest.records import Evidence, Fingerprint, Photo, Verdict
from carharvest.settings import QualitySettings

_USUAL_MODES = {"", "RGB", "L", "RGBA", "P", "PA", "LA"}  # an older program did not note it: ""
_HUNDREDTH = 2.33  # standard deviations from the mean beyond which one of a hundred lies
Finding = tuple[str, bool, Evidence]  # reason, whether it applies, what was measured against what


@dataclass(frozen=True, slots=True)
class QualityStage:
    """Drops what lies beyond a threshold, for the first reason that applies; flags what is odd, for each reason.

    The evidence is the measured value and the threshold.
    """

    limits: QualitySettings
    name: str = "quality"
    version: int = 2
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return self.limits.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Verdict]:
        for photo in photos:
            drops = (Verdict(photo.id, False, *found) for found in _applying(_faults(photo.fingerprint, self.limits)))
            drop = next(drops, None)
            if drop is not None:
                yield drop
            for reason, evidence in _applying(_oddities(photo.fingerprint, self.limits)):
                if reason == "grey" and drop is not None:
                    continue  # too dark or too bright to tell
                yield Verdict(photo.id, True, reason, evidence)


def _applying(findings: Iterable[Finding]) -> Iterator[tuple[str, Evidence]]:
    return ((reason, evidence) for reason, applies, evidence in findings if applies)


def _faults(print_: Fingerprint, limits: QualitySettings) -> Iterator[Finding]:
    """The surest first."""
    short, long = sorted((print_.width_px, print_.height_px))
    aspect = round(long / short, 2)
    yield "too-small", short < limits.min_side_px, {"side_px": short, "min_side_px": limits.min_side_px}
    yield "odd-aspect", aspect > limits.max_aspect, {"aspect": aspect, "max_aspect": limits.max_aspect}
    # As if light were spread normally: close enough to tell night from a photo taken at night.
    lightest = round(print_.brightness + _HUNDREDTH * print_.contrast, 3)
    darkest = round(print_.brightness - _HUNDREDTH * print_.contrast, 3)
    yield "dark", lightest < limits.min_lightest, {"lightest": lightest, "min_lightest": limits.min_lightest}
    yield "bright", darkest > limits.max_darkest, {"darkest": darkest, "max_darkest": limits.max_darkest}
    is_flat = print_.entropy_bits < limits.min_entropy_bits
    yield "low-information", is_flat, _told(print_, "entropy_bits", limits, "min_entropy_bits")
    yield "empty", print_.contrast < limits.min_contrast, _told(print_, "contrast", limits, "min_contrast")
    yield "blurred", print_.blur_var < limits.min_blur_var, _told(print_, "blur_var", limits, "min_blur_var")


def _oddities(print_: Fingerprint, limits: QualitySettings) -> Iterator[Finding]:
    yield "grey", print_.colour <= limits.max_grey, _told(print_, "colour", limits, "max_grey")
    yield "bordered", print_.border > limits.max_border, _told(print_, "border", limits, "max_border")
    yield "animated", print_.frames > 1, {"frames": print_.frames}
    yield "odd-mode", print_.mode not in _USUAL_MODES, {"mode": print_.mode}


def _told(print_: Fingerprint, value: str, limits: QualitySettings, limit: str) -> Evidence:
    return {value: getattr(print_, value), limit: getattr(limits, limit)}
