"""Who goes where: stratified by brand, whole groups on one side, the same for the same seed."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from carharvest.errors import BadSettings
from carharvest.records import PARTS, KeptPhoto, Part, Placed

OTHER = "OTHER"
RarePolicy = Literal["keep", "drop", "pool"]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How to split. Shares are in percent and add up to 100."""

    seed: int
    train: int = 70
    val: int = 15
    test: int = 15
    min_per_brand: int = 0
    rare: RarePolicy = "keep"

    def __post_init__(self) -> None:
        if self.train + self.val + self.test != 100 or min(self.train, self.val, self.test) < 0 or self.train == 0:
            raise BadSettings(
                f"train {self.train}, val {self.val} and test {self.test} percent do not add up to 100",
                hint="for example: --ratios 70/15/15",
            )

    def share(self, part: Part) -> float:
        return {"train": self.train, "val": self.val, "test": self.test}[part] / 100


def assign(photos: Iterable[KeptPhoto], plan: SplitPlan) -> list[Placed]:
    """A place for every photo that the plan keeps; in order of part, class and file name.

    Every class has a photo in train and, where it has three groups or more, one in each part with a share.
    No group is in two parts.
    """
    classes = _classes(list(photos), plan)
    groups: dict[str, list[tuple[KeptPhoto, str]]] = defaultdict(list)
    for photo, class_name in classes:
        groups[photo.group_key].append((photo, class_name))
    of_class: dict[str, list[str]] = defaultdict(list)  # class -> its groups; a group counts for its commonest class
    for key, members in groups.items():
        names = [class_name for _, class_name in members]
        of_class[max(sorted(set(names)), key=names.count)].append(key)
    part_of: dict[str, Part] = {}
    for class_name in sorted(of_class):
        keys = sorted(of_class[class_name], key=lambda key: _draw(key, plan.seed))
        part_of.update(_parts(keys, {key: len(groups[key]) for key in keys}, plan))
    placed = [
        Placed(photo, part_of[key], class_name) for key, members in groups.items() for photo, class_name in members
    ]
    return sorted(placed, key=lambda p: (PARTS.index(p.part), p.class_name, p.photo.file_name))


def _classes(photos: Sequence[KeptPhoto], plan: SplitPlan) -> list[tuple[KeptPhoto, str]]:
    counts: dict[str, int] = defaultdict(int)
    for photo in photos:
        counts[photo.brand] += 1
    classes = []
    for photo in photos:
        if plan.rare == "keep" or counts[photo.brand] >= plan.min_per_brand:
            classes.append((photo, photo.brand))
        elif plan.rare == "pool":
            classes.append((photo, OTHER))
    return classes


def _parts(keys: Sequence[str], sizes: Mapping[str, int], plan: SplitPlan) -> dict[str, Part]:
    """Groups of one class to parts: first one each, then always where most is missing."""
    wanted: list[Part] = [part for part in PARTS if plan.share(part) > 0]
    if len(keys) < len(wanted):
        wanted = wanted[:1] if len(keys) == 1 or len(wanted) == 1 else [wanted[0], wanted[-1]]
    total = sum(sizes[key] for key in keys)
    target = {part: plan.share(part) * total for part in wanted}
    filled: dict[Part, int] = dict.fromkeys(wanted, 0)
    part_of: dict[str, Part] = {}
    # The floor first, smallest groups into val and test, so that a large group does not fill a small part.
    by_size = sorted(keys, key=lambda key: sizes[key])
    for part, key in zip(reversed(wanted), by_size, strict=False):
        part_of[key] = part
        filled[part] += sizes[key]
    for key in sorted((key for key in keys if key not in part_of), key=lambda key: -sizes[key]):
        part = max(wanted, key=lambda name: (target[name] - filled[name], -PARTS.index(name)))
        part_of[key] = part
        filled[part] += sizes[key]
    return part_of


def _draw(key: str, seed: int) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16, key=seed.to_bytes(8, "big")).digest()
