"""Local features of a thumbnail, and whether two pictures show the same scene by them.

SIFT (Lowe 2004) with the Hellinger kernel (Arandjelović and Zisserman 2012), matches by mutual nearest neighbours and
the ratio test, one affine map by RANSAC. Needs OpenCV, of the extra `vision`.
"""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

SIDE_PX = 256  # longest side at which features are found
MOST = 300  # features of a picture, the strongest
_CONTRAST = 0.02  # half of SIFT's default: press photos have large plain surfaces
_SCALE = 255.0  # of a descriptor of unit length, whose entries are roots: most lie below 0.5
_RATIO = 0.8  # nearest to second nearest distance, at most
_TOLERANCE_PX = 3.0
_LEAST_MATCHES = 6
_REDUCED = (
    2  # light and colours of two aligned pictures are compared at half that size: edges need not fit to the pixel
)
_LEAST_OVERLAP = 0.15

# A feature: where it is, as a share of the longest side, and what it looks like.
FEATURE = np.dtype([("point", np.float32, 2), ("descriptor", np.uint8, 128)])

# SIFT's entries are 4 rows x 4 columns x 8 directions about the feature's own direction: in a mirror image the rows
# swap their order and the directions their sense. So the features of the mirror image need no second search.
_GRID = np.arange(128).reshape(4, 4, 8)
_MIRROR = _GRID[::-1][:, :, (-np.arange(8)) % 8].ravel()


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well one picture lies over another."""

    transform: str
    inliers: int
    inlier_share: float
    light: float  # correlation of light where they overlap, -1 to 1
    chroma: float  # mean difference of Cb and Cr there, 0-255


def features(thumbnail: bytes) -> np.ndarray:
    """(n,) of FEATURE, the strongest first; empty for a plain or unreadable picture."""
    light = _at_scale(thumbnail, cv2.IMREAD_GRAYSCALE)
    if light is None:
        return np.empty(0, FEATURE)
    sift: Any = cv2
    points, found = sift.SIFT_create(MOST, contrastThreshold=_CONTRAST, enable_precise_upscale=True).detectAndCompute(
        light, None
    )
    if found is None:
        return np.empty(0, FEATURE)
    result = np.empty(min(len(points), MOST), FEATURE)
    # OpenCV counts from the middle of the first pixel; here 0 is the picture's edge.
    result["point"] = (np.array([p.pt for p in points[:MOST]], np.float32) + 0.5) / max(light.shape)
    result["descriptor"] = np.sqrt(found[:MOST] / np.maximum(found[:MOST].sum(1, keepdims=True), 1e-6)) * _SCALE
    return result


def mirrored(descriptors: np.ndarray) -> np.ndarray:
    """(n, 128) descriptors as they are in the mirror image (left and right swapped)."""
    return descriptors[:, _MIRROR]


def agreement(a: np.ndarray, b: np.ndarray, thumbnails: tuple[bytes, bytes], *, mirror: bool) -> Agreement | None:
    """How picture a, mirrored if so asked, lies over picture b; None where no affine map brings them together."""
    looks = mirrored(a["descriptor"]) if mirror else a["descriptor"]
    pairs = _matches(looks, b["descriptor"])
    if len(pairs) < _LEAST_MATCHES:
        return None
    source, target = a["point"][pairs[:, 0]].astype(np.float64), b["point"][pairs[:, 1]].astype(np.float64)
    if mirror:
        source[:, 0] = -source[:, 0]
    mapping, inside = cv2.estimateAffine2D(
        source, target, method=cv2.RANSAC, ransacReprojThreshold=_TOLERANCE_PX / SIDE_PX, maxIters=500, confidence=0.99
    )
    if mapping is None or not _is_plausible(mapping):
        return None
    inliers = int(inside.sum())
    if inliers < _LEAST_MATCHES:
        return None
    light, chroma = _compared(thumbnails, mapping, mirror=mirror)
    return Agreement(_transform(mapping, mirror=mirror), inliers, round(inliers / len(pairs), 3), light, chroma)


def _matches(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(k, 2) positions of features that are each other's nearest and stand out from the second nearest."""
    if len(a) < 2 or len(b) < 2:
        return np.empty((0, 2), int)
    left, right = a.astype(np.float32) / _SCALE, b.astype(np.float32) / _SCALE
    likeness = left @ right.T
    rows = np.arange(len(a))
    nearest = likeness.argmax(axis=1)
    is_mutual = likeness.argmax(axis=0)[nearest] == rows
    best = likeness[rows, nearest].copy()
    likeness[rows, nearest] = -1.0
    second = likeness.max(axis=1)
    stands_out = 1 - best < _RATIO**2 * (1 - second)  # squared distances of unit vectors are 2 - 2 x likeness
    good = np.flatnonzero(is_mutual & stands_out)
    return np.stack([good, nearest[good]], axis=1)


def _is_plausible(mapping: np.ndarray) -> bool:
    """No fold, and neither squeezed nor enlarged beyond what people do to pictures."""
    if np.linalg.det(mapping[:, :2]) <= 0:
        return False
    large, small = np.linalg.svd(mapping[:, :2], compute_uv=False)
    return bool(small > 0.1 and large < 10 and large / small < 2.5)


def _transform(mapping: np.ndarray, *, mirror: bool) -> str:
    turned = abs(math.degrees(math.atan2(mapping[1, 0], mapping[0, 0]))) > 135
    if mirror:
        return "flipped" if turned else "mirrored"
    return "rotated" if turned else "none"


def _compared(thumbnails: tuple[bytes, bytes], mapping: np.ndarray, *, mirror: bool) -> tuple[float, float]:
    """Correlation of light and mean difference of colour where a, laid over b, covers it."""
    a, b = (_at_scale(thumbnail, cv2.IMREAD_COLOR) for thumbnail in thumbnails)
    if a is None or b is None:
        return 0.0, 255.0
    linear = mapping[:, :2].copy()
    if mirror:
        linear[:, 0] = -linear[:, 0]  # the points were mirrored about 0, the picture is not
    linear *= max(b.shape) / max(a.shape)
    shift = mapping[:, 2] * max(b.shape) - 0.5 + linear @ np.array([0.5, 0.5])
    size = b.shape[1], b.shape[0]
    matrix = np.column_stack([linear, shift])
    laid = cv2.warpAffine(a, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = cv2.warpAffine(np.full(a.shape[:2], 255, np.uint8), matrix, size, flags=cv2.INTER_NEAREST)
    cover = cv2.erode(cover, np.ones((5, 5), np.uint8))
    small = max(4, size[0] // _REDUCED), max(4, size[1] // _REDUCED)
    one, other = (
        cv2.cvtColor(cv2.resize(picture, small, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2YCrCb)
        for picture in (laid, b)
    )
    covered = cv2.resize(cover, small, interpolation=cv2.INTER_AREA) == 255
    if covered.mean() < _LEAST_OVERLAP:
        return 0.0, 255.0
    left, right = one[covered].astype(np.float32), other[covered].astype(np.float32)
    chroma = float(np.abs(left[:, 1:] - right[:, 1:]).mean())
    x, y = left[:, 0] - left[:, 0].mean(), right[:, 0] - right[:, 0].mean()
    norm = math.sqrt(float(x @ x) * float(y @ y))
    return round(float(x @ y) / norm, 4) if norm else 0.0, round(chroma, 2)


def _at_scale(thumbnail: bytes, flags: int) -> np.ndarray | None:
    """The picture with its longest side at 256 px, or less where it has less; None for bytes that do not decode."""
    picture = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), flags)
    if picture is None or max(picture.shape[:2]) <= SIDE_PX:
        return picture
    scale = SIDE_PX / max(picture.shape[:2])
    size = [max(8, round(side * scale)) for side in picture.shape[1::-1]]
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
