"""The dataset card: what is in an export, where it comes from, how it was curated, what it cannot be trusted for."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from carharvest import __version__
from carharvest.licenses import LICENSES
from carharvest.records import PARTS, Placed
from carharvest.splits.plan import SplitPlan

# Licence ids of the Hugging Face Hub (hub-docs, "Licenses"); ours name no version, so the family stands for the rest.
_HUB_LICENSE = {"cc0": "cc0-1.0", "gfdl": "gfdl", "": "unknown"}
_HUB_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_REASONS = {
    "unknown": "what the classes are made by is not known of them",
    "rare": "their class is rare",
    "copy": "they are copies of photos that are in it",
    "ties-parts": "they would tie photos of two parts together",
    "own-part": "their group stands in another part of the data set they come from",
    "brands": "several brands are named for them",
    "where": "they do not fulfil the condition",
    "no-box": "they have no box to cut to",
}


@dataclass(frozen=True, slots=True)
class Curation:
    """What became of the photos of the workspace, in numbers."""

    photos: int
    kept: int
    drops: Mapping[str, int] = field(default_factory=dict)  # reason -> photos
    flags: Mapping[str, int] = field(default_factory=dict)
    copies: int = 0
    same_shot: int = 0


def card(
    name: str,
    plan: SplitPlan,
    placed: Sequence[Placed],
    counts: Mapping[str, Mapping[str, int]],
    left_out: Mapping[str, int],
    curation: Curation,
    *,
    data_files: Mapping[str, str] | None = None,
) -> str:
    """README.md of an export, with the front matter of the Hugging Face Hub.

    Nothing in it comes from outside: class names are plain, licences are ids of ours, sources are names of programs.

    `data_files`: the Hub's name of a split -> the pattern of its files, where the Hub is to load it.
    """
    licenses = Counter(p.photo.license for p in placed)
    sources = Counter(p.photo.source for p in placed)
    parts = {part: sum(of_class[part] for of_class in counts.values()) for part in PARTS}
    page = Environment(
        loader=PackageLoader("carharvest.splits", "pages"),
        autoescape=False,  # noqa: S701 - Markdown; see above
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows: Sequence[Any] = sorted(counts.items(), key=lambda item: (-sum(item[1].values()), item[0]))
    return page.get_template("card.md").render(
        name=name,
        version=__version__,
        plan=plan,
        total=len(placed),
        parts=parts,
        rows=rows,
        sources=[(_plain(source), count) for source, count in sources.most_common()],
        licenses=[_license_row(id_, count) for id_, count in licenses.most_common()],
        hub_licenses=sorted({_hub_license(id_) for id_ in licenses}) or ["unknown"],
        size=next((size for most, size in _HUB_SIZES if len(placed) < most), "n>1M"),
        left_out=[(count, _REASONS.get(why, why)) for why, count in left_out.items()],
        curation=curation,
        drops=sorted(curation.drops.items(), key=lambda item: -item[1]),
        flags=sorted(curation.flags.items(), key=lambda item: -item[1]),
        groups=len({p.photo.group_key for p in placed}),
        boxes=sum(bool(p.photo.boxes) for p in placed),
        smallest=rows[-1] if rows else None,
        largest=rows[0] if rows else None,
        drawn=sources.get("sample", 0),
        data_files=data_files,
    )


def _license_row(id_: str, count: int) -> tuple[str, str, int, str]:
    known = LICENSES.get(id_)
    credit = "" if known is None else "yes" if known.needs_credit else "no"
    return (known.name if known else "unknown", known.url if known else "", count, credit)


def _hub_license(id_: str) -> str:
    if id_.startswith("by"):
        return "cc"
    return _HUB_LICENSE.get(id_, "other")


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isalnum() or c in " ._-") or "unknown"
