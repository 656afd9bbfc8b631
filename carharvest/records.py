"""The records that travel between rooms: frozen, with units in their names; imports nothing of ours."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

View = Literal["front", "rear", "side", "front-left", "front-right", "rear-left", "rear-right"]
Part = Literal["train", "val", "test"]
LabelKind = Literal["brand", "model", "year", "view", "box", "part", "content", "ascii_name", "file_name"]
Relation = Literal["keeper", "copy", "same-shot"]
Evidence = Mapping[str, str | int | float]

# How a view is asked for in a search query ("MG car back").
VIEW_WORDS: dict[View, str] = {
    "front": "front",
    "rear": "back",
    "side": "side",
    "front-left": "front left",
    "front-right": "front right",
    "rear-left": "back left",
    "rear-right": "back right",
}
PARTS: tuple[Part, ...] = ("train", "val", "test")
_PART_NAMES: Mapping[str, Part] = {
    **dict.fromkeys(("train", "training", "trainset", "train2017"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validating", "dev", "val2017"), "val"),
    **dict.fromkeys(("test", "testing", "eval", "evaluation", "testset", "test2017"), "test"),
}
Grouping = Literal["page", "photographer"]  # what else than looks can make photos one group
PERSON = "person"  # in the place of a stage: a person's word, which outranks every stage's
# Reasons to drop that are about the brand: where a person has named the brand, they are settled.
ABOUT_BRAND = ("no-brand", "brand-conflict", "copies-disagree", "wrong-brand")


def part_named(name: str) -> Part | None:
    """The part that people call by that name: "Valid" and "dev" are val."""
    return _PART_NAMES.get(name.strip().lower())


@dataclass(frozen=True, slots=True)
class Query:
    """What a source is asked: the words, and the brand and view that they stand for."""

    text: str
    brand: str | None = None
    view: View | None = None


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A picture on the web."""

    url: str


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A picture in a file. `version` (size and mtime) tells one content of a path from another."""

    path: str
    version: str

    @property
    def url(self) -> str:
        return f"file://{self.path}"


@dataclass(frozen=True, slots=True)
class ArchiveMember:
    """A picture inside a .zip. `version` is the member's CRC-32."""

    archive: str
    member: str
    version: str

    @property
    def url(self) -> str:
        return f"zip://{self.archive}!/{self.member}"


Place = WebAddress | LocalFile | ArchiveMember


@dataclass(frozen=True, slots=True)
class SaidBox:
    """A bounding box as somebody wrote it down, right or wrong. `unit`: pixels, or shares of width and height."""

    left: float
    top: float
    right: float
    bottom: float
    unit: Literal["px", "share"] = "px"
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an existing data set says of a picture: its classes, model and year, its own part, boxes and size."""

    class_names: tuple[str, ...] = ()
    model: str = ""
    year: int | None = None
    part: Part | None = None
    boxes: tuple[SaidBox, ...] = ()
    width_px: int | None = None
    height_px: int | None = None


@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box in pixels of the upright picture, inside it; `right_px` and `bottom_px` are the first outside."""

    left_px: int
    top_px: int
    right_px: int
    bottom_px: int

    @property
    def area_px(self) -> int:
        return (self.right_px - self.left_px) * (self.bottom_px - self.top_px)

    @property
    def text(self) -> str:
        """As the catalog keeps it: "12,40,300,220"."""
        return f"{self.left_px},{self.top_px},{self.right_px},{self.bottom_px}"

    @staticmethod
    def parsed(text: str) -> "Box":
        """The box of such a text."""
        left, top, right, bottom = (int(part) for part in text.split(","))
        return Box(left, top, right, bottom)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A picture that a source offers, and what the source says of it."""

    source: str
    place: Place
    query: str = ""
    brand_asked: str | None = None
    view_asked: View | None = None
    title: str = ""
    alt: str = ""
    author: str = ""
    author_url: str = ""
    license: str = ""
    license_url: str = ""
    page_url: str = ""
    folder: str = ""  # folders above the picture, outermost first, "/" between them
    file_name: str = ""
    taken_at: str = ""  # ISO 8601 without a zone, as the source says it
    annotation: Annotation | None = None

    @property
    def url(self) -> str:
        return self.place.url

    @property
    def version(self) -> str:
        return "" if isinstance(self.place, WebAddress) else self.place.version


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What one reduced decode yields. Sizes are those seen by a person, EXIF orientation applied.

    The four pHashes are unsigned 64-bit integers, of the picture and of its mirror images: they propose what may be
    near. `detail_hash` (a pHash of 256 bits, row by row) and `chroma` decide.
    """

    format: str
    ext: str
    width_px: int
    height_px: int
    exif_orientation: int
    frames: int
    phash: int
    phash_mirrored: int  # left and right swapped
    phash_flipped: int  # top and bottom swapped
    phash_rotated: int  # turned by 180 degrees
    detail_hash: bytes  # 32 bytes
    chroma: bytes  # 32 bytes: mean Cb and Cr of 4 x 4 fields
    brightness: float  # mean luma, 0-1
    contrast: float  # standard deviation of luma, 0-1
    blur_var: float  # variance of the Laplacian of 8-bit luma at thumbnail scale; low is blurred
    mode: str = ""  # Pillow's name of how the file stores pixels: RGB, L, P, CMYK, I;16 …
    entropy_bits: float = 8.0  # of the histogram of luma, 0-8
    colour: float = 128.0  # mean distance of Cb and Cr from grey, 0-128
    border: float = 0.0  # share of width or height taken by rows or columns of one colour at the edges, 0-1
    taken_at: str = ""  # ISO 8601 without a zone: EXIF DateTimeOriginal


@dataclass(frozen=True, slots=True)
class Fetched:
    """A candidate whose bytes decoded as a picture and are on disk."""

    candidate: Candidate
    sha256: str
    size_bytes: int
    fingerprint: Fingerprint


@dataclass(frozen=True, slots=True)
class Failed:
    """A candidate that could not be fetched, why, and whether a later try makes sense."""

    candidate: Candidate
    reason: str
    detail: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Repeat:
    """A candidate whose URL is known: another query offered the same picture."""

    candidate: Candidate
    photo_id: int


Outcome = Fetched | Failed | Repeat


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate that turned out to be a photo, as the catalog keeps it."""

    source: str
    url: str
    query: str
    brand_asked: str | None
    view_asked: str | None
    title: str
    alt: str
    author: str
    author_url: str
    license: str
    license_url: str
    page_url: str
    folder: str
    file_name: str
    seen_at: str  # ISO 8601, UTC
    taken_at: str = ""
    annotation: Annotation | None = None


class Origin(NamedTuple):
    """What a sighting tells of whom to credit. A tuple: a hundred thousand of them are read for a split."""

    source: str
    url: str
    title: str
    alt: str
    author: str
    author_url: str
    license: str
    license_url: str
    page_url: str
    file_name: str


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo with everything known of it: what a stage looks at."""

    id: int
    sha256: str
    size_bytes: int
    fingerprint: Fingerprint
    sightings: tuple[Sighting, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # kind -> values, earlier stages' first
    drops: tuple[str, ...] = ()  # reasons for which earlier stages would drop it, unless a person keeps it
    kept_by_person: bool = False
    named_by_person: bool = False  # its brand

    @property
    def area_px(self) -> int:
        return self.fingerprint.width_px * self.fingerprint.height_px


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a stage thinks of a photo: keep (a flag) or drop, a reason code, the evidence as numbers."""

    photo_id: int
    keep: bool
    reason: str
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Label:
    """What a photo shows, the method that found it, and how sure it is (0-1)."""

    photo_id: int
    kind: LabelKind
    value: str
    method: str
    confidence: float = 1.0
    evidence: Evidence = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Membership:
    """A photo's place in a group of the same shot.

    relation: `keeper`; `copy` of the keeper `of_photo_id` (dropped); `same-shot` as `of_photo_id` (kept).
    """

    photo_id: int
    group_key: str
    relation: Relation
    of_photo_id: int
    evidence: Evidence = field(default_factory=dict)  # of the tie between the two


@dataclass(frozen=True, slots=True)
class Tie:
    """Two photos that look alike, and how much: a fact about pixels, whatever becomes of them.

    Found by hashes (`distance_bits`, `detail_bits`) or by local features (`inliers`, `inlier_share`, `light`).
    """

    photo_id: int
    other_id: int  # greater than photo_id
    transform: str  # "none", "mirrored", "flipped" or "rotated": how the one has to be turned to match the other
    chroma: float  # mean difference of Cb and Cr, 0-255
    distance_bits: int | None = None  # of the 64-bit hashes
    detail_bits: int | None = None  # of the 256-bit hashes
    inliers: int | None = None  # matched features that agree on one affine map
    inlier_share: float | None = None  # of all matches
    light: float | None = None  # correlation of light, -1 to 1, where the one laid over the other covers it

    @property
    def evidence(self) -> Evidence:
        """What was measured, without what was not."""
        measured = {name: getattr(self, name) for name in _MEASURED}
        return {"transform": self.transform} | {name: value for name, value in measured.items() if value is not None}


_MEASURED = ("distance_bits", "detail_bits", "inliers", "inlier_share", "light", "chroma")
Opinion = Verdict | Label | Membership | Tie


@dataclass(frozen=True, slots=True)
class KeptPhoto:
    """A photo that may go into a split, with all that a split may be made by."""

    id: int
    sha256: str
    ext: str
    brand: str
    view: str | None
    file_name: str  # random, without extension
    group_key: str  # photos with the same key never part
    copy_of: int | None = None  # the keeper's id, of a copy that is in a split all the same
    model: str | None = None
    year: int | None = None
    own_part: Part | None = None  # where the data set it comes from has it
    boxes: tuple[Box, ...] = ()
    width_px: int = 0
    height_px: int = 0
    size_bytes: int = 0
    exif_orientation: int = 1  # 1: the file's pixels stand upright
    taken_at: str = ""  # ISO 8601 without a zone; "" if nobody says it
    # Of the sighting that is credited:
    source: str = ""
    license: str = ""
    author: str = ""
    page_url: str = ""
    seen_at: str = ""  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class Placed:
    """A kept photo's place in a split."""

    photo: KeptPhoto
    part: Part
    class_name: str
