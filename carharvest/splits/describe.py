"""What split.json says: everything needed to make the split again, and what the trainer may know of its classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from carharvest import __version__
from carharvest.brands import BrandMapping
from carharvest.records import PARTS, Placed
from carharvest.splits.assign import SplitPlan
from carharvest.splits.imagefolder import exported_name


def describe(name: str, plan: SplitPlan, placed: Sequence[Placed], mapping: BrandMapping) -> dict[str, Any]:
    """The content of split.json."""
    classes = sorted({p.class_name for p in placed})
    return {
        "name": name,
        "made_by": f"carharvest {__version__}",
        "plan": asdict(plan),
        "classes": {class_name: _known_of(class_name, mapping) for class_name in classes},
        "counts": counts(placed),
        "photos": [
            {
                "file": f"{p.part}/{p.class_name}/{exported_name(p)}",
                "sha256": p.photo.sha256,
                "group": p.photo.group_key,
                "view": p.photo.view,
                "brand": p.photo.brand,
            }
            for p in placed
        ],
    }


def counts(placed: Sequence[Placed]) -> dict[str, dict[str, int]]:
    """Photos by class and part."""
    found = Counter((p.class_name, p.part) for p in placed)
    classes = sorted({p.class_name for p in placed})
    return {class_name: {part: found[class_name, part] for part in PARTS} for class_name in classes}


def _known_of(class_name: str, mapping: BrandMapping) -> Mapping[str, Any]:
    brand = mapping.brands.get(class_name)
    if brand is None:
        return {}
    return {
        "name": brand.name,
        "group": brand.group,
        "country": brand.country,
        "tier": brand.tier,
        "pair": brand.pair,
        "rare": brand.rare,
    }
