"""Which class a photo is of, and what becomes of rare classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

from carharvest.records import KeptPhoto
from carharvest.splits.plan import By, SplitPlan
from carharvest.text import folder_name

OTHER = "OTHER"


def class_of(photo: KeptPhoto, by: By) -> str | None:
    """The photo's class, fit for the name of a folder; None where what is asked for is not known of it."""
    match by:
        case "brand":
            parts: tuple[str | None, ...] = (photo.brand,)
        case "model":
            parts = (photo.brand, photo.model)
        case "view":
            parts = (photo.view,)
        case "brand+view":
            parts = (photo.brand, photo.view)
    return _folder(" ".join(part for part in parts if part)) if all(parts) else None


_folder = lru_cache(maxsize=4096)(folder_name)


def classes(
    photos: Sequence[KeptPhoto], plan: SplitPlan, placed_before: Mapping[int, str]
) -> tuple[dict[int, str], dict[str, list[KeptPhoto]]]:
    """Photo id -> class, and those that have none, by reason: `unknown` or `rare`.

    `placed_before`: photo id -> class of photos that stay in theirs. A class that was pooled before stays pooled, one
    that stood for itself goes on to.
    """
    named = {photo.id: class_of(photo, plan.by) for photo in photos}
    counts = Counter(name for name in named.values() if name)
    alone = {named[id_] for id_, name in placed_before.items() if named.get(id_) == name}
    pooled = {named[id_] for id_, name in placed_before.items() if name == OTHER and named.get(id_) != OTHER}
    chosen: dict[int, str] = dict(placed_before)
    without: dict[str, list[KeptPhoto]] = {"unknown": [], "rare": []}
    for photo in photos:
        name = named[photo.id]
        if photo.id in chosen:
            continue
        if name is None:
            without["unknown"].append(photo)
        elif name in alone or plan.rare == "keep" or (counts[name] >= plan.min_per_class and name not in pooled):
            chosen[photo.id] = name
        elif plan.rare == "pool":
            chosen[photo.id] = OTHER
        else:
            without["rare"].append(photo)
    return chosen, without
